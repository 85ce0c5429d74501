// What libc cannot do in a static program, as functions that say so.
//
// OpenSSL and c-ares name a few functions of libc that load the host's shared
// libraries: dlopen(3) and the resolver's, which open libnss_*. Statically
// linked, those need the very glibc that this was built with, on every host; so
// the linker has every call of them end here (--wrap,
// cmake/StaticProgram.cmake) and each fails as it does where there is nothing
// to be found. Nothing of ours needs them: names are resolved by c-ares from
// /etc/hosts and DNS, ports are numbers, and OpenSSL's providers and engines
// are what is linked.
//
// Only for static programs: elsewhere libc's own are right.

#include <cerrno>

#include <netdb.h>

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {

void* __wrap_dlopen(const char* /*file*/, int /*mode*/) {
  return nullptr;
}

void* __wrap_dlsym(void* /*handle*/, const char* /*name*/) {
  return nullptr;
}

int __wrap_dlclose(void* /*handle*/) {
  return -1;
}

char* __wrap_dlerror() {
  static char words[] = "a static program loads no libraries";
  return words;
}

int __wrap_dladdr(const void* /*address*/, void* /*found*/) {
  return 0;
}

int __wrap_getaddrinfo(const char* /*host*/, const char* /*service*/,
                       const addrinfo* /*hints*/, addrinfo** /*found*/) {
  return EAI_FAIL;
}

void __wrap_freeaddrinfo(addrinfo* /*found*/) {}

int __wrap_getnameinfo(const sockaddr* /*address*/, socklen_t /*size*/,
                       char* /*host*/, socklen_t /*host_size*/,
                       char* /*service*/, socklen_t /*service_size*/,
                       int /*flags*/) {
  return EAI_FAIL;
}

hostent* __wrap_gethostbyname(const char* /*name*/) {
  return nullptr;
}

servent* __wrap_getservbyname(const char* /*name*/, const char* /*protocol*/) {
  return nullptr;
}

int __wrap_getservbyport_r(int /*port*/, const char* /*protocol*/,
                           servent* /*entry*/, char* /*buffer*/,
                           std::size_t /*size*/, servent** found) {
  *found = nullptr;
  return ENOENT;
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
