// SPDX-License-Identifier: GPL-2.0-only
/*
 * Formatted tracepoints: a trace event with the record that the kernel itself makes of it.
 *
 * In: an event's perf id, and its name system:event if it is known. Out: events with their raw record. Invariant: a record lives only during its handler, in perf's own
 * buffer, which is there as long as any perf event on a tracepoint is open: each session with such probes holds one.
 *
 * A perf event of its own on each CPU, as perf does it, costs a grace period for each tracepoint when it is closed: a minute for all of them. So a session has one
 * counter on each CPU for all its events, of a perf unit of this module, and puts each event's own perf function on the tracepoint itself, with a copy of
 * the event's description that leads to the session's counters. What is no tracepoint (kprobes and uprobes of tracefs, synthetic events) gets counters of its own.
 */
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/trace_events.h>
#include <linux/tracepoint.h>

#include "perf_counters.h"
#include "probe.h"

/* Events that share a session's counters. The types that their copies carry are counted down from the last possible one, where no event of the kernel is. */
#define MAX_SHARED 8192
#define LAST_TYPE 0xffff

struct formatted;

/* What the events of a session share. */
struct shared {
	struct list_head list;		/* all sessions' */
	struct ktap_session *session;
	unsigned int users;
	unsigned int next;		/* place in events[] */
	struct hlist_head __percpu *heads;	/* of perf events: one on each CPU */
	struct ktap_counters *counters;
	struct perf_event *holder;	/* keeps perf's buffers */
	struct formatted *events[MAX_SHARED];
};

struct formatted {
	struct ktap_probe *probe;
	struct ktap_counters *counters;	/* its own, or NULL */
	struct shared *shared;
	struct trace_event_file *file;	/* holds the event's module */
	struct trace_event_call call;	/* the copy */
	u16 type;			/* the event's */
};

static DEFINE_MUTEX(sharing);
static LIST_HEAD(sessions);
static bool registered;

static __always_inline void fire(struct ktap_probe *probe, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct kp_event event KTAP_UNSET;

	ktap_event_init(&event, probe);
	event.regs = regs;
	event.user_regs = user_mode(regs);
	event.ip = instruction_pointer(regs);
	if (likely(ktap_sample_has_raw(data))) {
		event.record = data->raw->frag.data;
		event.record_len = data->raw->frag.size;
	}
	ktap_fire(probe, &event);
}

static void own_handler(struct perf_event *counter, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct formatted *formatted = counter->overflow_handler_context;

	fire(formatted->probe, data, regs);
}
NOKPROBE_SYMBOL(own_handler);

static void shared_handler(struct perf_event *counter, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct shared *shared = counter->overflow_handler_context;
	struct formatted *formatted;
	struct trace_entry *entry;
	unsigned int place;
	u16 type;

	if (unlikely(!ktap_sample_has_raw(data) || data->raw->frag.size < sizeof(*entry)))
		return;
	entry = data->raw->frag.data;
	type = entry->type;
	place = LAST_TYPE - type;
	if (unlikely(place >= MAX_SHARED))
		return;
	formatted = READ_ONCE(shared->events[place]);
	if (unlikely(!formatted))
		return;
	/* The program sees the event's number. perf, which still has the record in hand, must not: it would look for others' counters of that event. */
	entry->type = formatted->type;
	fire(formatted->probe, data, regs);
	entry->type = type;
}
NOKPROBE_SYMBOL(shared_handler);

/* ---- the perf unit: its events are counted by the tracepoints' own functions, all that is to do is to be on the CPU's list ---- */

static int unit_event_init(struct perf_event *event)
{
	if (event->attr.type != event->pmu->type)
		return -ENOENT;
	/* Nobody else's: such an event would never count. */
	return event->overflow_handler == shared_handler ? 0 : -EINVAL;
}

static int unit_add(struct perf_event *event, int flags)
{
	struct shared *shared = event->overflow_handler_context;

	event->hw.state = flags & PERF_EF_START ? 0 : PERF_HES_STOPPED;
	hlist_add_head_rcu(&event->hlist_entry, this_cpu_ptr(shared->heads));
	return 0;
}

static void unit_del(struct perf_event *event, int flags)
{
	hlist_del_rcu(&event->hlist_entry);
}

static void unit_start(struct perf_event *event, int flags)
{
	event->hw.state = 0;
}

static void unit_stop(struct perf_event *event, int flags)
{
	event->hw.state = PERF_HES_STOPPED;
}

static void unit_read(struct perf_event *event)
{
}

static struct pmu unit = {
	.module = THIS_MODULE,
	.task_ctx_nr = perf_sw_context,
	.event_init = unit_event_init,
	.add = unit_add,
	.del = unit_del,
	.start = unit_start,
	.stop = unit_stop,
	.read = unit_read,
};

/* ---- what a session shares; all under `sharing` ---- */

/* An idle counter of a tracepoint, so that perf has its buffers. */
static struct perf_event *open_holder(u64 config)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = config,
		.disabled = 1,
	};
	struct perf_event *holder = ERR_PTR(-ENODEV);
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		holder = perf_event_create_kernel_counter(&attr, cpu, NULL, own_handler, NULL);
		if (!IS_ERR(holder) || PTR_ERR(holder) != -ENODEV)
			break;
	}
	return holder;
}

static struct shared *open_shared(struct ktap_session *session, u64 config)
{
	struct perf_event_attr attr = {
		.type = unit.type,
		.size = sizeof(attr),
		.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_PERIOD,
		.sample_period = 1,
	};
	struct shared *shared = kvzalloc(sizeof(*shared), GFP_KERNEL);

	if (!shared)
		return NULL;
	shared->session = session;
	shared->heads = alloc_percpu(struct hlist_head);
	if (!shared->heads)
		goto free;
	shared->holder = open_holder(config);
	if (IS_ERR(shared->holder))
		goto free_heads;
	if (ktap_counters_open(&shared->counters, &attr, session->cpu, shared_handler, shared))
		goto release;
	list_add(&shared->list, &sessions);
	return shared;
release:
	perf_event_release_kernel(shared->holder);
free_heads:
	free_percpu(shared->heads);
free:
	kvfree(shared);
	return NULL;
}

static struct shared *get_shared(struct ktap_session *session, u64 config)
{
	struct shared *shared;

	list_for_each_entry(shared, &sessions, list)
		if (shared->session == session)
			goto found;
	if (!registered) {
		if (perf_pmu_register(&unit, "ktap", -1))
			return NULL;
		registered = true;
	}
	shared = open_shared(session, config);
	if (!shared)
		return NULL;
found:
	shared->users++;
	return shared;
}

/* No tracepoint leads here any more. */
static void put_shared(struct shared *shared)
{
	if (--shared->users)
		return;
	list_del(&shared->list);
	ktap_counters_release(shared->counters);
	perf_event_release_kernel(shared->holder);
	kfree(shared->counters);
	free_percpu(shared->heads);
	kvfree(shared);
}

void ktap_events_exit(void)
{
	if (registered)
		perf_pmu_unregister(&unit);
	registered = false;
}

/* ---- attaching ---- */

/* The event of that name, if it is one of a tracepoint, has that id, and perf restricts it no further. Holds its module until trace_put_event_file(). */
static struct trace_event_file *find_event(const char *name, u64 config)
{
	struct trace_event_file *file;
	struct trace_event_call *call;
	char *system, *event;

	if (!name || !*name || config > LAST_TYPE - MAX_SHARED)
		return NULL;
	system = kstrdup(name, GFP_KERNEL);
	if (!system)
		return NULL;
	event = system;
	strsep(&event, ":");
	file = event ? trace_get_event_file(NULL, system, event) : NULL;
	kfree(system);
	if (IS_ERR_OR_NULL(file))
		return NULL;
	call = file->event_call;
	if ((call->flags & TRACE_EVENT_FL_TRACEPOINT) && call->tp && call->class->perf_probe && call->class->reg == trace_event_reg &&
	    !call->perf_perm && call->event.type == config)
		return file;
	trace_put_event_file(file);
	return NULL;
}

/* false: it needs counters of its own. */
static bool attach_shared(struct formatted *formatted, const struct kph_attach *what)
{
	struct trace_event_file *file = find_event(what->name, what->config);
	struct shared *shared;
	unsigned int place;

	if (!file)
		return false;
	mutex_lock(&sharing);
	shared = get_shared(formatted->probe->session, what->config);
	if (!shared)
		goto put_file;
	place = shared->next;
	if (place == MAX_SHARED)
		goto put;
	formatted->call = *file->event_call;
	formatted->call.perf_events = shared->heads;
	formatted->call.prog_array = NULL;
	formatted->type = what->config;
	formatted->call.event.type = LAST_TYPE - place;
	WRITE_ONCE(shared->events[place], formatted);
	if (tracepoint_probe_register(formatted->call.tp, formatted->call.class->perf_probe, &formatted->call)) {
		WRITE_ONCE(shared->events[place], NULL);
		goto put;
	}
	shared->next++;
	formatted->file = file;
	formatted->shared = shared;
	mutex_unlock(&sharing);
	return true;
put:
	put_shared(shared);
put_file:
	mutex_unlock(&sharing);
	trace_put_event_file(file);
	return false;
}

static int attach_event(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = what->config,
		.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_PERIOD,
		.sample_period = 1,
	};
	struct formatted *formatted = kzalloc(sizeof(*formatted), GFP_KERNEL);
	int err = 0;

	if (!formatted)
		return -ENOMEM;
	formatted->probe = probe;
	if (!attach_shared(formatted, what))
		err = ktap_counters_open(&formatted->counters, &attr, probe->session->cpu, own_handler, formatted);
	if (err) {
		kfree(formatted);
		return err;
	}
	probe->data = formatted;
	*matched = 1;
	return 0;
}

static void detach_events(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct formatted *formatted = probes[i]->data;

		if (formatted->shared)
			tracepoint_probe_unregister(formatted->call.tp, formatted->call.class->perf_probe, &formatted->call);
		else
			ktap_counters_release(formatted->counters);
	}
}

static void free_event(struct ktap_probe *probe)
{
	struct formatted *formatted = probe->data;

	if (formatted->shared) {
		mutex_lock(&sharing);
		put_shared(formatted->shared);
		mutex_unlock(&sharing);
		trace_put_event_file(formatted->file);
	}
	kfree(formatted->counters);
	kfree(formatted);
	probe->data = NULL;
}

const struct ktap_probe_kind ktap_tracepoint = {
	.attach = attach_event,
	.detach = detach_events,
	.free = free_event,
};
