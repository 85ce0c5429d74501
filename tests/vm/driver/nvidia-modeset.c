/* Stands on nvidia, as its namesake does: it brings that with it, and keeps it from going. */
#include <linux/module.h>

#include "stub.h"

static int __init begin(void)
{
	nvidia_stub_is_here();
	return 0;
}

static void __exit end(void)
{
}

module_init(begin);
module_exit(end);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(STUB_VERSION);
