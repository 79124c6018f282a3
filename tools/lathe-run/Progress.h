// A progress bar on stderr for work that turns out to take longer than two seconds; nothing where stderr is no
// terminal.
#pragma once
#include <condition_variable>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>

namespace lathe::tool {

// Drawn by a thread of its own, ten times a second, so that a long step shows as well. Only where stderr is a terminal
// is there such a thread. Functions may be called from any thread.
class Progress {
public:
  explicit Progress(std::string title);
  ~Progress(); // wipes the bar
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  // How much is done, from 0 to 1, and what is being done, shown behind the title.
  void update(double done, std::string step = "");
  // Wipes the bar before something else is printed on stderr; it comes back at its next drawing.
  void hide();

private:
  void drawUntilEnded();
  void wipe();

  const std::string title;
  std::mutex mutex; // of all below
  std::condition_variable changed;
  std::string step;
  double done = 0;
  bool visible = false, ended = false;
  std::optional<pthread_t> thread;
};

} // namespace lathe::tool
