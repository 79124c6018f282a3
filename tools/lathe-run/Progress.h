// A progress bar on stderr for work that turns out to take longer than two seconds; nothing where stderr is no
// terminal.
#pragma once
#include <chrono>
#include <string>

namespace lathe::tool {

class Progress {
public:
  explicit Progress(std::string title);
  ~Progress(); // wipes the bar
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  // How much is done, from 0 to 1. Draws at most ten times a second.
  void update(double done);

private:
  std::string title;
  std::chrono::steady_clock::time_point begin, drawn;
  bool terminal, visible = false;
};

} // namespace lathe::tool
