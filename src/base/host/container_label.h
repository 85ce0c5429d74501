// What SELinux wants of files that containers use.
#pragma once

namespace gpunode::host {

/// Lets confined containers (container_t) use the open file or directory, as
/// container-selinux labels the volumes that are shared by containers. Does
/// nothing where the kernel labels no files. That it could not be done is not
/// told: where engines confine no containers nothing is amiss.
void label_for_containers(int fd);

}  // namespace gpunode::host
