// A main for a fuzz target without libFuzzer: runs each file named on the command line once, and each file in each
// folder named, so that the seeds and the findings of earlier runs stay tested in every build.
#include <cstdint>
#include <cstdio>
#include <dirent.h>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool runFile(const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return false;
  std::vector<uint8_t> bytes;
  uint8_t buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    bytes.insert(bytes.end(), buffer, buffer + n);
  std::fclose(file);
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return true;
}

int main(int argc, char **argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    std::string path = argv[i];
    if (DIR *dir = opendir(argv[i])) {
      while (const dirent *item = readdir(dir))
        if (item->d_name[0] != '.')
          count += runFile(path + "/" + item->d_name);
      closedir(dir);
    } else if (runFile(path)) {
      ++count;
    } else {
      std::fprintf(stderr, "error: can't read '%s'\n", argv[i]);
      return 1;
    }
  }
  std::printf("ran %d files\n", count);
  return count == 0;
}
