// Prints what the kernel says getppid(2) is, raw: a test can have it say something else.
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	long value;

#ifdef __x86_64__
	__asm__ volatile("syscall" : "=a"(value) : "a"((long)SYS_getppid) : "rcx", "r11", "memory");
#else
	register long number __asm__("x8") = SYS_getppid;
	register long result __asm__("x0") = 0;

	__asm__ volatile("svc #0" : "+r"(result) : "r"(number) : "memory");
	value = result;
#endif
	printf("%ld\n", value);
	return 0;
}
