// A mutex that clang's thread-safety analysis understands.
//
// libstdc++'s std::mutex carries no annotations, so -Wthread-safety would
// check nothing; these two classes add them and nothing else.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define GPUNODE_TSA(x) __attribute__((x))
#else
#define GPUNODE_TSA(x)
#endif
#ifndef GUARDED_BY  // abseil's headers bring one of the same meaning.
#define GUARDED_BY(m) GPUNODE_TSA(guarded_by(m))
#endif
#define REQUIRES(m) GPUNODE_TSA(requires_capability(m))
#define EXCLUDES(m) GPUNODE_TSA(locks_excluded(m))

namespace gpunode {

/// Is BasicLockable, so that std::condition_variable_any can wait on it, under
/// the MutexLock that holds it.
class GPUNODE_TSA(capability("mutex")) Mutex {
 public:
  void lock() GPUNODE_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() GPUNODE_TSA(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

/// Holds a Mutex for a scope.
class GPUNODE_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) GPUNODE_TSA(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() GPUNODE_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace gpunode
