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
  FailureOr<SmallVector<reference::Tensor>> run(ArrayRef<reference::Tensor> inputs) override {
    return reference::run(main, inputs);
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
  if (name.consume_front("cpu:"))
    return createCpuDevice(name);
  return nullptr;
}

Type conformance::toType(MLIRContext *context, tool::ElementType type) {
  using E = tool::ElementType;
  auto integer = [&](unsigned bits, bool isUnsigned) -> Type {
    return IntegerType::get(context, bits, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (type) {
  case E::Bool:
    return integer(1, false);
  case E::I8:
  case E::U8:
    return integer(8, type == E::U8);
  case E::I16:
  case E::U16:
    return integer(16, type == E::U16);
  case E::I32:
  case E::U32:
    return integer(32, type == E::U32);
  case E::I64:
  case E::U64:
    return integer(64, type == E::U64);
  case E::F16:
    return Float16Type::get(context);
  case E::BF16:
    return BFloat16Type::get(context);
  case E::F32:
    return Float32Type::get(context);
  case E::F64:
    return Float64Type::get(context);
  }
  llvm_unreachable("all types are listed");
}

reference::Tensor conformance::toReference(MLIRContext *context, const tool::Tensor &tensor) {
  return reference::Tensor(toType(context, tensor.type), tensor.dims,
                           std::vector<char>(tensor.bytes.begin(), tensor.bytes.end()));
}

tool::Tensor conformance::fromReference(const reference::Tensor &tensor) {
  tool::Tensor result;
  for (unsigned i = 0; i < tool::kElementTypes; ++i)
    if (toType(tensor.getElementType().getContext(), static_cast<tool::ElementType>(i)) == tensor.getElementType())
      result.type = static_cast<tool::ElementType>(i);
  result.dims.assign(tensor.getShape().begin(), tensor.getShape().end());
  result.bytes.assign(tensor.getBytes().begin(), tensor.getBytes().end());
  return result;
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
