/*
 * A module "nvidia" with no GPU behind it: a driver's names, version, parameters and files below
 * /proc, so that what is built, signed for a kernel, loaded and unloaded is a real module.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "stub.h"

#ifdef STUB_KNOWS_NO_SUCH_KERNEL
#error "this kernel is newer than the driver"
#endif

#define MAJOR_NUMBER 195

static unsigned int NVreg_EnableGpuFirmware = 18;
module_param(NVreg_EnableGpuFirmware, uint, 0444);

void nvidia_stub_is_here(void)
{
}
EXPORT_SYMBOL(nvidia_stub_is_here);

static int show_version(struct seq_file *file, void *unused)
{
	seq_puts(file, "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  " STUB_VERSION
		       "  Release Build  (stub)\n");
	return 0;
}

static int show_params(struct seq_file *file, void *unused)
{
	seq_printf(file, "EnableGpuFirmware: %u\n", NVreg_EnableGpuFirmware);
	return 0;
}

static int show_gpu(struct seq_file *file, void *unused)
{
	seq_puts(file, "Model: \t\t NVIDIA A10G\nBus Location: \t 0000:00:1e.0\nDevice Minor: \t 0\n");
	return 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
};

static struct proc_dir_entry *lay_out(void)
{
	struct proc_dir_entry *directory = proc_mkdir("driver/nvidia", NULL);

	if (!directory)
		return NULL;
	if (proc_create_single("version", 0444, directory, show_version) &&
	    proc_create_single("params", 0444, directory, show_params) &&
	    proc_mkdir("gpus", directory) && proc_mkdir("gpus/0000:00:1e.0", directory) &&
	    proc_create_single("gpus/0000:00:1e.0/information", 0444, directory, show_gpu))
		return directory;
	proc_remove(directory);
	return NULL;
}

static struct proc_dir_entry *directory;

static int __init begin(void)
{
	int error = register_chrdev(MAJOR_NUMBER, "nvidia-frontend", &operations);

	if (error)
		return error;
	directory = lay_out();
	if (directory)
		return 0;
	unregister_chrdev(MAJOR_NUMBER, "nvidia-frontend");
	return -ENOMEM;
}

static void __exit end(void)
{
	proc_remove(directory);
	unregister_chrdev(MAJOR_NUMBER, "nvidia-frontend");
}

module_init(begin);
module_exit(end);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(STUB_VERSION);
