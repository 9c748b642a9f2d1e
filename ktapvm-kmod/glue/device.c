// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ktap: one session per open.
 *
 * In: ioctl, read, poll, close. Out: kp_request and the rings. Invariant: nothing of user memory is touched under the session's mutex, and a file that is
 * closed leaves nothing behind: not a probe, not a byte, not a running handler.
 *
 * poll: EPOLLIN when records wait; EPOLLIN | EPOLLHUP once the program is over. read: whole entries; 0 when the program is over and none waits.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "probe.h"

/* ktap_device::request. */
struct ktap_request {
	__u64 input;
	__u64 output;
	__u32 input_len;
	__u32 output_len;
};

#define KTAP_MAX_INPUT (4U << 20)
#define KTAP_MAX_OUTPUT (1U << 20)
#define KTAP_MAX_KIND 63
enum { KTAP_REQUEST_RUN_MAIN = 3, KTAP_REQUEST_RUN_END = 7 };

/* An input that Rust may keep. */
struct ktap_input {
	struct list_head list;
	u8 data[] __aligned(16);
};

static void ktap_session_free(struct ktap_session *session)
{
	struct ktap_input *input, *next;

	if (session->rust) {
		kp_session_free(session->rust);
		kph_free(session->rust);
	}
	ktap_probes_free(session);
	ktap_tracepoints_free(session);
	ktap_syscalls_free(session);
	ktap_rings_free(session);
	ktap_stacks_free(session);
	list_for_each_entry_safe(input, next, &session->inputs, list)
		kvfree(input);
	free_percpu(session->events);
	mutex_destroy(&session->mutex);
	mutex_destroy(&session->run);
	mutex_destroy(&session->reading);
	kfree(session);
}

static int ktap_open(struct inode *inode, struct file *file)
{
	struct ktap_session *session;
	int error;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	error = security_locked_down(LOCKDOWN_KPROBES);
	if (error)
		return error;
	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return -ENOMEM;
	mutex_init(&session->mutex);
	mutex_init(&session->run);
	mutex_init(&session->reading);
	INIT_LIST_HEAD(&session->inputs);
	session->cpu = -1;
	ktap_rings_start(session);
	error = -ENOMEM;
	session->events = alloc_percpu(u64);
	if (!session->events || ktap_stacks_alloc(session))
		goto fail;
	session->rust = kph_alloc(kp_session_size());
	if (!session->rust)
		goto fail;
	kp_session_init(session->rust, session);
	file->private_data = session;
	return stream_open(inode, file);
fail:
	ktap_session_free(session);
	return error;
}

static int ktap_release(struct inode *inode, struct file *file)
{
	struct ktap_session *session = file->private_data;

	mutex_lock(&session->mutex);
	kph_detach(session, 1);
	mutex_unlock(&session->mutex);
	ktap_rings_stop(session);
	ktap_session_free(session);
	return 0;
}

void kph_keep_input(struct ktap_session *session)
{
	session->keep_input = true;
}

/* Serves a request of which all is in kernel memory. */
static long ktap_serve(struct ktap_session *session, u32 kind, struct ktap_input *input, size_t input_len, u8 *output, size_t output_len, bool *kept)
{
	bool runs = kind == KTAP_REQUEST_RUN_MAIN || kind == KTAP_REQUEST_RUN_END;
	long len = mutex_lock_interruptible(&session->mutex);

	if (len)
		return len;
	if (runs)
		mutex_lock(&session->run);
	session->keep_input = false;
	len = kp_request(session->rust, kind, input->data, input_len, output, output_len);
	*kept = session->keep_input;
	if (*kept)
		list_add(&input->list, &session->inputs);
	if (runs)
		mutex_unlock(&session->run);
	mutex_unlock(&session->mutex);
	return len;
}

static long ktap_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct ktap_session *session = file->private_data;
	struct ktap_request request;
	struct ktap_input *input;
	bool kept = false;
	u8 *output;
	long len;

	if (_IOC_TYPE(command) != 'K' || _IOC_DIR(command) != (_IOC_READ | _IOC_WRITE) || _IOC_SIZE(command) != sizeof(request) ||
	    _IOC_NR(command) > KTAP_MAX_KIND)
		return -ENOTTY;
	if (copy_from_user(&request, (void __user *)argument, sizeof(request)))
		return -EFAULT;
	if (request.input_len > KTAP_MAX_INPUT || request.output_len > KTAP_MAX_OUTPUT)
		return -E2BIG;
	/* One byte more than is asked, so that an empty request has memory too. */
	input = kvmalloc(sizeof(*input) + request.input_len + 1, GFP_KERNEL_ACCOUNT);
	output = kvzalloc(request.output_len + 1, GFP_KERNEL_ACCOUNT);
	len = -ENOMEM;
	if (!input || !output)
		goto out;
	len = -EFAULT;
	if (copy_from_user(input->data, u64_to_user_ptr(request.input), request.input_len))
		goto out;
	len = ktap_serve(session, _IOC_NR(command), input, request.input_len, output, request.output_len, &kept);
	if (len > (long)request.output_len)
		len = -EIO;
	if (len > 0 && copy_to_user(u64_to_user_ptr(request.output), output, len))
		len = -EFAULT;
out:
	kvfree(output);
	if (!kept)
		kvfree(input);
	return len;
}

static bool ktap_readable(struct ktap_session *session)
{
	return ktap_rings_ready(session) || READ_ONCE(session->over);
}

static ssize_t ktap_read(struct file *file, char __user *out, size_t room, loff_t *position)
{
	struct ktap_session *session = file->private_data;
	ssize_t len;

	for (;;) {
		/* The end is asked for before the rings: what was written before the end is then seen. */
		bool over = smp_load_acquire(&session->over);

		len = mutex_lock_interruptible(&session->reading);
		if (len)
			return len;
		len = ktap_rings_read(session, out, room);
		mutex_unlock(&session->reading);
		if (len || over || !room)
			return len;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		len = wait_event_interruptible(session->wait, (ktap_rings_arm(session), ktap_readable(session)));
		if (len)
			return len;
	}
}

static __poll_t ktap_poll(struct file *file, poll_table *table)
{
	struct ktap_session *session = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &session->wait, table);
	ktap_rings_arm(session);
	if (READ_ONCE(session->over))
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	if (ktap_rings_ready(session))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

static const struct file_operations ktap_operations = {
	.owner = THIS_MODULE,
	.open = ktap_open,
	.release = ktap_release,
	.unlocked_ioctl = ktap_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = ktap_read,
	.poll = ktap_poll,
	.llseek = noop_llseek,
};

static struct miscdevice ktap_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ktap",
	.fops = &ktap_operations,
	.mode = 0600,
};

int __init ktap_device_init(void)
{
	return misc_register(&ktap_device);
}

void ktap_device_exit(void)
{
	misc_deregister(&ktap_device);
}
