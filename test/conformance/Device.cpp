// The reference as a device, and child processes.
#include "test/conformance/Device.h"
#include "compiler/Reference/Numbers.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <csignal>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

namespace {
class ReferenceExecutable : public Executable {
public:
  explicit ReferenceExecutable(func::FuncOp main) : main(main) {}
  FailureOr<Results> run(ArrayRef<reference::Tensor> inputs, Check check) override {
    auto results = reference::run(main, inputs);
    if (failed(results) || failed(check(*results)))
      return failure();
    return results;
  }

private:
  func::FuncOp main;
};

class ReferenceDevice : public Device {
public:
  std::string getName() const override { return "reference"; }
  FailureOr<std::unique_ptr<Executable>> load(ModuleOp module) override {
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main)
      return module.emitError("expected a function @main");
    return std::unique_ptr<Executable>(std::make_unique<ReferenceExecutable>(main));
  }
};
} // namespace

std::unique_ptr<Device> conformance::createDevice(StringRef name) {
  if (name == "reference")
    return std::make_unique<ReferenceDevice>();
  return createCompiledDevice(name);
}

void ChildPool::run(size_t count, llvm::function_ref<void(size_t, llvm::raw_ostream &)> task,
                    llvm::function_ref<void(size_t, StringRef)> done) {
  struct Child {
    pid_t process;
    int pipe;
    size_t index;
    std::string text;
  };
  std::vector<Child> children;
  std::vector<std::optional<std::string>> texts(count);
  size_t started = 0, reported = 0;
  while (reported < count) {
    while (started < count && children.size() < jobs) {
      int ends[2];
      pid_t process = pipe(ends) == 0 ? fork() : -1;
      if (process < 0)
        llvm::report_fatal_error("can't start a process");
      if (process == 0) {
        close(ends[0]);
        alarm(seconds);
        {
          llvm::raw_fd_ostream os(ends[1], /*shouldClose=*/true);
          task(started, os);
        }
        _exit(0);
      }
      close(ends[1]);
      children.push_back({process, ends[0], started++, ""});
    }
    std::vector<pollfd> waiting;
    for (const Child &child : children)
      waiting.push_back({child.pipe, POLLIN, 0});
    if (poll(waiting.data(), waiting.size(), -1) < 0)
      continue;
    for (size_t i = children.size(); i-- > 0;) {
      if (!waiting[i].revents)
        continue;
      char buffer[4096];
      ssize_t size = read(children[i].pipe, buffer, sizeof(buffer));
      if (size > 0) {
        children[i].text.append(buffer, size);
        continue;
      }
      close(children[i].pipe);
      int status = 0;
      waitpid(children[i].process, &status, 0);
      if (WIFSIGNALED(status))
        texts[children[i].index] =
            WTERMSIG(status) == SIGALRM ? "TIMEOUT" : "CRASH signal " + std::to_string(WTERMSIG(status));
      else
        texts[children[i].index] = std::move(children[i].text);
      children.erase(children.begin() + i);
    }
    for (; reported < count && texts[reported]; ++reported)
      done(reported, *texts[reported]);
  }
}
