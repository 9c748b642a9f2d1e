// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings: one per CPU, from handlers to read.
 *
 * In: kph_ring_write, in any context. Out: whole entries, merged by time. Invariant: what lies between `tail` and `published` is whole entries that nobody
 * changes; a handler never wakes anybody itself.
 *
 * A ring's pages are mapped twice, one behind the other, so that an entry is always in one piece. Writers of one CPU nest like its interrupts: each reserves
 * with a compare-and-exchange of its own CPU, and only the outermost one publishes, when all inside it are done.
 *
 * Waking: who waits arms the rings. The first entry after that starts a timer from an irq_work, and the timer wakes; a ring half full wakes at once. So a probe
 * on what waking does fires its own wake-up ten milliseconds later at the earliest.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "probe.h"

/* ktap_device::entry::EntryHeader. */
struct ktap_entry {
	u64 time_ns;
	u32 len;
	u16 cpu;
	u16 probe;
	u8 body[];
};

struct ktap_ring {
	u8 *data;			/* twice `bytes` of address space */
	unsigned long head;		/* reserved up to here; counts on for ever */
	unsigned long published;	/* whole up to here */
	unsigned int nest;		/* writers inside */
	struct page **pages;
	unsigned long tail ____cacheline_aligned_in_smp;	/* read up to here */
};

struct ktap_rings {
	unsigned long bytes;
	struct ktap_ring __percpu *ring;
};

enum { WAKE_NONE, WAKE_ARMED, WAKE_SOON, WAKE_NOW };

#define KTAP_WAKE_NS (10 * NSEC_PER_MSEC)
#define KTAP_MIN_RING PAGE_SIZE
#define KTAP_MAX_RING (1UL << 30)

static void ktap_wake_work(struct irq_work *work)
{
	struct ktap_session *session = container_of(work, struct ktap_session, wake_work);

	/* In hard interrupt, where a real-time kernel lets nobody be woken: the timer does it. */
	if (cmpxchg(&session->wake_state, WAKE_NOW, WAKE_NONE) == WAKE_NOW || READ_ONCE(session->over))
		hrtimer_start(&session->wake_timer, 0, HRTIMER_MODE_REL);
	else if (READ_ONCE(session->wake_state) == WAKE_SOON)
		hrtimer_start(&session->wake_timer, ns_to_ktime(KTAP_WAKE_NS), HRTIMER_MODE_REL);
}

static enum hrtimer_restart ktap_wake_timer(struct hrtimer *timer)
{
	struct ktap_session *session = container_of(timer, struct ktap_session, wake_timer);

	cmpxchg(&session->wake_state, WAKE_SOON, WAKE_NONE);
	wake_up_interruptible(&session->wait);
	return HRTIMER_NORESTART;
}

void ktap_rings_start(struct ktap_session *session)
{
	init_waitqueue_head(&session->wait);
	ktap_irq_work_setup(&session->wake_work, ktap_wake_work);
	ktap_hrtimer_setup(&session->wake_timer, ktap_wake_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}

/* No handler runs any more: nothing starts the work, and so nothing the timer. */
void ktap_rings_stop(struct ktap_session *session)
{
	irq_work_sync(&session->wake_work);
	hrtimer_cancel(&session->wake_timer);
}

/* Called before the rings are looked at by somebody who will sleep if they are empty. */
void ktap_rings_arm(struct ktap_session *session)
{
	cmpxchg(&session->wake_state, WAKE_NONE, WAKE_ARMED);
	smp_mb(); /* Pairs with the barrier in kph_ring_write: one of the two sees the other. */
}

static void ktap_rings_notice(struct ktap_session *session, u32 state, bool hurry)
{
	u32 next = hurry ? WAKE_NOW : WAKE_SOON;

	if (state < next && cmpxchg(&session->wake_state, state, next) == state)
		irq_work_queue(&session->wake_work);
}
NOKPROBE_SYMBOL(ktap_rings_notice);

void ktap_session_over(struct ktap_session *session)
{
	WRITE_ONCE(session->enabled, false);
	if (READ_ONCE(session->over))
		return;
	smp_store_release(&session->over, true);
	irq_work_queue(&session->wake_work);
}
NOKPROBE_SYMBOL(ktap_session_over);

/* Leaves a ring; the outermost writer publishes what it and those inside it have written. */
static __always_inline void ktap_ring_leave(struct ktap_ring *ring)
{
	for (;;) {
		barrier(); /* What was written is written before it is published. */
		if (ring->nest == 1)
			smp_store_release(&ring->published, READ_ONCE(ring->head));
		barrier();
		WRITE_ONCE(ring->nest, ring->nest - 1);
		barrier(); /* Who came between the two did not publish: it was not the outermost. */
		if (likely(READ_ONCE(ring->nest) || READ_ONCE(ring->published) == READ_ONCE(ring->head)))
			return;
		WRITE_ONCE(ring->nest, ring->nest + 1);
	}
}

int kph_ring_write(struct ktap_session *session, u64 time_ns, u16 probe, const u8 *body, u32 len)
{
	struct ktap_rings *rings = READ_ONCE(session->rings);
	struct ktap_ring *ring;
	struct ktap_entry *entry;
	unsigned long head, used, total;
	u32 state;
	int error = 0;

	total = sizeof(*entry) + ALIGN((unsigned long)len, 8);
	if (unlikely(!rings || total > rings->bytes / 2))
		return -ENOSPC;
	preempt_disable_notrace();
	ring = this_cpu_ptr(rings->ring);
	WRITE_ONCE(ring->nest, ring->nest + 1);
	barrier();
	do {
		head = READ_ONCE(ring->head);
		used = head + total - smp_load_acquire(&ring->tail);
		if (unlikely(used > rings->bytes)) {
			error = -ENOSPC;
			break;
		}
	} while (unlikely(cmpxchg_local(&ring->head, head, head + total) != head));
	if (likely(!error)) {
		entry = (struct ktap_entry *)(ring->data + (head & (rings->bytes - 1)));
		*(u64 *)((u8 *)entry + total - 8) = 0;
		entry->time_ns = time_ns;
		entry->len = len;
		entry->cpu = raw_smp_processor_id();
		entry->probe = probe;
		memcpy(entry->body, body, len);
	}
	ktap_ring_leave(ring);
	smp_mb(); /* Pairs with the barrier in ktap_rings_arm. */
	state = READ_ONCE(session->wake_state);
	if (unlikely(state != WAKE_NONE))
		ktap_rings_notice(session, state, used > rings->bytes / 2);
	preempt_enable_notrace();
	return error;
}
NOKPROBE_SYMBOL(kph_ring_write);

static void ktap_ring_free(struct ktap_ring *ring, unsigned long pages)
{
	unsigned long i;

	if (ring->data)
		vunmap(ring->data);
	for (i = 0; ring->pages && i < pages && ring->pages[i]; i++)
		__free_page(ring->pages[i]);
	kvfree(ring->pages);
}

static int ktap_ring_alloc(struct ktap_ring *ring, unsigned long pages, int node)
{
	unsigned long i;

	ring->pages = kvcalloc(2 * pages, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT);
	if (!ring->pages)
		return -ENOMEM;
	for (i = 0; i < pages; i++) {
		struct page *page = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL, 0);

		if (!page)
			return -ENOMEM;
		ring->pages[i] = page;
		ring->pages[pages + i] = page;
		cond_resched();
	}
	ring->data = vmap(ring->pages, 2 * pages, VM_MAP, PAGE_KERNEL);
	return ring->data ? 0 : -ENOMEM;
}

static void ktap_rings_destroy(struct ktap_rings *rings)
{
	int cpu;

	if (rings->ring)
		for_each_possible_cpu(cpu)
			ktap_ring_free(per_cpu_ptr(rings->ring, cpu), rings->bytes >> PAGE_SHIFT);
	free_percpu(rings->ring);
	kfree(rings);
}

int kph_ring_open(struct ktap_session *session, u32 bytes_per_cpu)
{
	struct ktap_rings *rings;
	int cpu;

	if (session->rings)
		return session->rings->bytes == bytes_per_cpu ? 0 : -EBUSY;
	if (!is_power_of_2(bytes_per_cpu) || bytes_per_cpu < KTAP_MIN_RING || bytes_per_cpu > KTAP_MAX_RING)
		return -EINVAL;
	rings = kzalloc(sizeof(*rings), GFP_KERNEL_ACCOUNT);
	if (!rings)
		return -ENOMEM;
	rings->bytes = bytes_per_cpu;
	rings->ring = alloc_percpu(struct ktap_ring);
	if (!rings->ring)
		goto fail;
	for_each_possible_cpu(cpu)
		if (ktap_ring_alloc(per_cpu_ptr(rings->ring, cpu), bytes_per_cpu >> PAGE_SHIFT, cpu_to_node(cpu)))
			goto fail;
	smp_store_release(&session->rings, rings);
	return 0;
fail:
	ktap_rings_destroy(rings);
	return -ENOMEM;
}

void ktap_rings_free(struct ktap_session *session)
{
	if (session->rings)
		ktap_rings_destroy(session->rings);
	session->rings = NULL;
}

u64 kph_ring_waiting(struct ktap_session *session)
{
	struct ktap_rings *rings = smp_load_acquire(&session->rings);
	u64 waiting = 0;
	int cpu;

	if (!rings)
		return 0;
	for_each_possible_cpu(cpu) {
		struct ktap_ring *ring = per_cpu_ptr(rings->ring, cpu);
		unsigned long tail = READ_ONCE(ring->tail);

		waiting += READ_ONCE(ring->published) - tail;
	}
	return waiting;
}

bool ktap_rings_ready(const struct ktap_session *session)
{
	struct ktap_rings *rings = smp_load_acquire(&session->rings);
	int cpu;

	if (!rings)
		return false;
	for_each_possible_cpu(cpu) {
		struct ktap_ring *ring = per_cpu_ptr(rings->ring, cpu);

		if (READ_ONCE(ring->published) != READ_ONCE(ring->tail))
			return true;
	}
	return false;
}

static struct ktap_entry *ktap_ring_entry(const struct ktap_rings *rings, const struct ktap_ring *ring, unsigned long at)
{
	return (struct ktap_entry *)(ring->data + (at & (rings->bytes - 1)));
}

/* The ring whose first entry is the oldest, and the time at which another one's turn comes. */
static struct ktap_ring *ktap_rings_oldest(const struct ktap_rings *rings, u64 *until)
{
	struct ktap_ring *oldest = NULL;
	u64 first = U64_MAX;
	int cpu;

	*until = U64_MAX;
	for_each_possible_cpu(cpu) {
		struct ktap_ring *ring = per_cpu_ptr(rings->ring, cpu);
		u64 time;

		if (smp_load_acquire(&ring->published) == ring->tail)
			continue;
		time = ktap_ring_entry(rings, ring, ring->tail)->time_ns;
		if (!oldest || time < first) {
			*until = first;
			first = time;
			oldest = ring;
		} else if (time < *until) {
			*until = time;
		}
	}
	return oldest;
}

/* Under session->reading. The entries that fit, 0 if there is none, -EINVAL if not one fits. */
ssize_t ktap_rings_read(struct ktap_session *session, char __user *out, size_t room)
{
	struct ktap_rings *rings = smp_load_acquire(&session->rings);
	struct ktap_ring *ring;
	size_t done = 0;
	u64 until;

	while (rings && (ring = ktap_rings_oldest(rings, &until))) {
		unsigned long published = smp_load_acquire(&ring->published), tail = ring->tail, end = tail;
		bool full = false;

		/* As many of its entries as come before any other ring's. */
		while (end != published) {
			struct ktap_entry *entry = ktap_ring_entry(rings, ring, end);
			unsigned long total = sizeof(*entry) + ALIGN((unsigned long)entry->len, 8);

			full = end - tail + total > room - done;
			if (full || (entry->time_ns > until && end != tail))
				break;
			end += total;
		}
		if (end == tail)
			return done ? done : -EINVAL;
		if (copy_to_user(out + done, ktap_ring_entry(rings, ring, tail), end - tail))
			return done ? done : -EFAULT;
		smp_store_release(&ring->tail, end);
		done += end - tail;
		if (full || (done && signal_pending(current)))
			break;
		cond_resched();
	}
	return done;
}
