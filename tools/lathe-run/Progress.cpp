#include "tools/lathe-run/Progress.h"
#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace lathe::tool {

Progress::Progress(std::string title)
    : title(std::move(title)), begin(std::chrono::steady_clock::now()), drawn(begin), terminal(isatty(2)) {}

void Progress::update(double done) {
  using namespace std::chrono_literals;
  if (!terminal)
    return;
  auto now = std::chrono::steady_clock::now();
  if (now - begin < 2s || (visible && now - drawn < 100ms))
    return;
  drawn = now;
  visible = true;
  constexpr int width = 40;
  int filled = int(std::clamp(done, 0.0, 1.0) * width);
  std::string bar(size_t(filled), '#');
  std::fprintf(stderr, "\r%s [%-*s] %3d %%", title.c_str(), width, bar.c_str(), filled * 100 / width);
}

Progress::~Progress() {
  if (visible)
    std::fprintf(stderr, "\r\x1b[K");
}

} // namespace lathe::tool
