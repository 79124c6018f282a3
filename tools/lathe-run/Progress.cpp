#include "tools/lathe-run/Progress.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unistd.h>

namespace lathe::tool {

Progress::Progress(std::string title) : title(std::move(title)) {
  pthread_t handle;
  auto draw = [](void *self) -> void * {
    static_cast<Progress *>(self)->drawUntilEnded();
    return nullptr;
  };
  // Not std::thread, whose failure is an exception; here it is a missing bar.
  if (isatty(STDERR_FILENO) && pthread_create(&handle, nullptr, draw, this) == 0)
    thread = handle;
}

Progress::~Progress() {
  if (!thread)
    return;
  {
    std::lock_guard<std::mutex> lock(mutex);
    ended = true;
  }
  changed.notify_one();
  pthread_join(*thread, nullptr);
  wipe();
}

void Progress::update(double newDone, std::string newStep) {
  std::lock_guard<std::mutex> lock(mutex);
  done = std::clamp(newDone, 0.0, 1.0);
  step = std::move(newStep);
}

void Progress::hide() {
  std::lock_guard<std::mutex> lock(mutex);
  wipe();
}

void Progress::wipe() {
  if (visible)
    std::fprintf(stderr, "\r\x1b[K");
  visible = false;
}

void Progress::drawUntilEnded() {
  using namespace std::chrono_literals;
  constexpr int width = 30;
  std::unique_lock<std::mutex> lock(mutex);
  for (auto pause = 2000ms; !changed.wait_for(lock, pause, [&] { return ended; }); pause = 100ms) {
    int filled = int(done * width);
    std::string bar(size_t(filled), '#');
    std::fprintf(stderr, "\r%s [%-*s] %3d %% %s\x1b[K", title.c_str(), width, bar.c_str(), int(done * 100),
                 step.c_str());
    visible = true;
  }
}

} // namespace lathe::tool
