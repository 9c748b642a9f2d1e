// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers: ticks, whose handlers run in process context, and profiles, which sample every CPU in interrupt context.
 *
 * In: periods. Out: kp_tick and events with the interrupted registers. Invariant: a tick that comes while the last one still waits or runs is counted as missed and
 * does not pile up.
 */
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include <asm/irq_regs.h>

#include "probe.h"

#define KTAP_MIN_PERIOD (10 * NSEC_PER_USEC)
#define KTAP_MAX_PERIOD (365ULL * 24 * 3600 * NSEC_PER_SEC)

struct ktap_tick {
	struct hrtimer timer;
	struct work_struct work;
	struct ktap_probe *probe;
	ktime_t period;
	atomic64_t missed;
};

struct ktap_sampler {
	struct hrtimer timer;
	struct ktap_probe *probe;
	ktime_t period;
	u64 missed;
};

/* Per-CPU pointers have an address space of their own for later compilers. */
static struct ktap_sampler __percpu *ktap_samplers(void *data)
{
	return (struct ktap_sampler __percpu *)(__force unsigned long)data;
}

static struct workqueue_struct *ktap_workqueue;

int __init ktap_timers_init(void)
{
	ktap_workqueue = alloc_workqueue("ktap", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return ktap_workqueue ? 0 : -ENOMEM;
}

void ktap_timers_exit(void)
{
	destroy_workqueue(ktap_workqueue);
}

static int ktap_period(const struct kph_attach *what, ktime_t *period)
{
	if (what->extra < KTAP_MIN_PERIOD || what->extra > KTAP_MAX_PERIOD)
		return -EINVAL;
	*period = ns_to_ktime(what->extra);
	return 0;
}

static enum hrtimer_restart ktap_tick_fire(struct hrtimer *timer)
{
	struct ktap_tick *tick = container_of(timer, struct ktap_tick, timer);
	u64 passed = hrtimer_forward_now(timer, tick->period);

	if (passed > 1)
		atomic64_add(passed - 1, &tick->missed);
	if (READ_ONCE(tick->probe->session->enabled) && !queue_work(ktap_workqueue, &tick->work))
		atomic64_inc(&tick->missed);
	return HRTIMER_RESTART;
}

static void ktap_tick_work(struct work_struct *work)
{
	struct ktap_tick *tick = container_of(work, struct ktap_tick, work);
	struct ktap_session *session = tick->probe->session;

	mutex_lock(&session->run);
	if (READ_ONCE(session->enabled)) {
		this_cpu_inc(*session->events);
		if (kp_tick(tick->probe->rust))
			ktap_session_over(session);
	}
	mutex_unlock(&session->run);
}

static int ktap_tick_attach(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct ktap_tick *tick;
	ktime_t period;
	int error = ktap_period(what, &period);

	if (error)
		return error;
	tick = kzalloc(sizeof(*tick), GFP_KERNEL_ACCOUNT);
	if (!tick)
		return -ENOMEM;
	tick->probe = probe;
	tick->period = period;
	INIT_WORK(&tick->work, ktap_tick_work);
	ktap_hrtimer_setup(&tick->timer, ktap_tick_fire, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	probe->data = tick;
	*matched = 1;
	return 0;
}

static int ktap_tick_enable(struct ktap_probe *probe)
{
	struct ktap_tick *tick = probe->data;

	if (!hrtimer_active(&tick->timer))
		hrtimer_start(&tick->timer, tick->period, HRTIMER_MODE_REL);
	return 0;
}

static void ktap_tick_detach(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct ktap_tick *tick = probes[i]->data;

		hrtimer_cancel(&tick->timer);
		cancel_work_sync(&tick->work);
	}
}

static u64 ktap_tick_missed(struct ktap_probe *probe)
{
	struct ktap_tick *tick = probe->data;

	return atomic64_read(&tick->missed);
}

static void ktap_tick_free(struct ktap_probe *probe)
{
	kfree(probe->data);
}

const struct ktap_probe_kind ktap_tick = {
	.attach = ktap_tick_attach,
	.enable = ktap_tick_enable,
	.detach = ktap_tick_detach,
	.missed = ktap_tick_missed,
	.free = ktap_tick_free,
};

static enum hrtimer_restart ktap_profile_fire(struct hrtimer *timer)
{
	struct ktap_sampler *sampler = container_of(timer, struct ktap_sampler, timer);
	struct pt_regs *regs = get_irq_regs();
	u64 passed = hrtimer_forward_now(timer, sampler->period);
	struct kp_event event KTAP_UNSET;

	if (passed > 1)
		sampler->missed += passed - 1;
	if (!ktap_enter(sampler->probe->session, &event))
		return HRTIMER_RESTART;
	ktap_event_init(&event, sampler->probe);
	if (regs) {
		event.regs = regs;
		event.ip = instruction_pointer(regs);
		event.user_regs = user_mode(regs);
	}
	ktap_run(sampler->probe, &event);
	ktap_leave();
	return HRTIMER_RESTART;
}
NOKPROBE_SYMBOL(ktap_profile_fire);

static int ktap_profile_attach(struct ktap_probe *probe, const struct kph_attach *what, u32 *matched, u32 *lacking)
{
	struct ktap_sampler __percpu *samplers;
	ktime_t period;
	int cpu, error = ktap_period(what, &period);

	if (error)
		return error;
	samplers = alloc_percpu(struct ktap_sampler);
	if (!samplers)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct ktap_sampler *sampler = per_cpu_ptr(samplers, cpu);

		sampler->probe = probe;
		sampler->period = period;
		ktap_hrtimer_setup(&sampler->timer, ktap_profile_fire, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	}
	probe->data = (void *)(__force unsigned long)samplers;
	*matched = 1;
	return 0;
}

static void ktap_profile_start(void *data)
{
	struct ktap_sampler *sampler = this_cpu_ptr(ktap_samplers(data));

	if (!hrtimer_active(&sampler->timer))
		hrtimer_start(&sampler->timer, sampler->period, HRTIMER_MODE_REL_PINNED_HARD);
}

/* CPUs that come online later are not sampled; the timer of one that goes is taken over by another. */
static int ktap_profile_enable(struct ktap_probe *probe)
{
	on_each_cpu(ktap_profile_start, probe->data, 1);
	return 0;
}

static void ktap_profile_detach(struct ktap_probe **probes, unsigned int count)
{
	unsigned int i;
	int cpu;

	for (i = 0; i < count; i++)
		for_each_possible_cpu(cpu)
			hrtimer_cancel(&per_cpu_ptr(ktap_samplers(probes[i]->data), cpu)->timer);
}

static u64 ktap_profile_missed(struct ktap_probe *probe)
{
	u64 missed = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		missed += READ_ONCE(per_cpu_ptr(ktap_samplers(probe->data), cpu)->missed);
	return missed;
}

static void ktap_profile_free(struct ktap_probe *probe)
{
	free_percpu(ktap_samplers(probe->data));
}

const struct ktap_probe_kind ktap_profile = {
	.attach = ktap_profile_attach,
	.enable = ktap_profile_enable,
	.detach = ktap_profile_detach,
	.missed = ktap_profile_missed,
	.free = ktap_profile_free,
};
