// SPDX-License-Identifier: Apache-2.0
//
// C11's threads by those of POSIX, for the thread sanitizer, which knows only these: librdkafka's
// threads crash in it otherwise, and what its locks order looks like races. Linked before glibc,
// whose types of both are the same (glibc's nptl/thrd_priv.h).
#include <pthread.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace {

enum Result : int { kSuccess = 0, kError = 2, kTimedOut = 4 };  // of glibc's threads.h
constexpr int kRecursive = 1;

int result(int error) { return error == 0 ? kSuccess : error == ETIMEDOUT ? kTimedOut : kError; }

struct Start {
  int (*function)(void*);
  void* argument;
};

void* run(void* raw) {
  const Start start = *static_cast<Start*>(raw);
  delete static_cast<Start*>(raw);
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(start.function(start.argument)));
}

}  // namespace

extern "C" {

int thrd_create(pthread_t* thread, int (*function)(void*), void* argument) {
  auto* start = new Start{function, argument};
  const int error = pthread_create(thread, nullptr, run, start);
  if (error != 0) delete start;
  return result(error);
}

int thrd_join(pthread_t thread, int* value) {
  void* returned = nullptr;
  const int error = pthread_join(thread, &returned);
  if (value != nullptr) *value = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  return result(error);
}

int mtx_init(pthread_mutex_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & kRecursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return result(error);
}

void mtx_destroy(pthread_mutex_t* mutex) { pthread_mutex_destroy(mutex); }
int mtx_lock(pthread_mutex_t* mutex) { return result(pthread_mutex_lock(mutex)); }
int mtx_unlock(pthread_mutex_t* mutex) { return result(pthread_mutex_unlock(mutex)); }

int cnd_init(pthread_cond_t* condition) { return result(pthread_cond_init(condition, nullptr)); }
void cnd_destroy(pthread_cond_t* condition) { pthread_cond_destroy(condition); }
int cnd_signal(pthread_cond_t* condition) { return result(pthread_cond_signal(condition)); }
int cnd_broadcast(pthread_cond_t* condition) { return result(pthread_cond_broadcast(condition)); }
int cnd_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  return result(pthread_cond_wait(condition, mutex));
}
int cnd_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  return result(pthread_cond_timedwait(condition, mutex, until));
}

void call_once(pthread_once_t* once, void (*function)()) { pthread_once(once, function); }

}  // extern "C"
