// What must hold for any program that the semantic verifier lets through. Aborts where it does not.
#pragma once
#include "lathe/lathe.h"
#include "runtime/Package/Formula.h"
#include "runtime/Package/Image.h"
#include "runtime/Package/Targets.h"
#include <cstdlib>
#include <vector>

namespace lathe::fuzz {

class VerifiedProgram {
public:
  explicit VerifiedProgram(const runtime::Image &image) : program(*image.program) {
    for (const package::Symbol *symbol : *program.symbols()) {
      minima.push_back(symbol->min());
      maxima.push_back(symbol->max());
    }
  }

  void check() const {
    for (const package::Kernel *kernel : *program.kernels())
      for (uint32_t i = 0; i < kernel->variants()->size(); ++i) {
        const package::KernelVariant *variant = kernel->variants()->Get(i);
        check(*variant->tiles());
        check(*variant->scratch());
        if (isCuda(runtime::targetKind(program.targets()->Get(i)->name()->c_str())))
          checkCuda(*variant);
      }
    for (const package::Entry *entry : *program.entries()) {
      check(*entry->arena_size());
      for (auto *values : {entry->inputs(), entry->outputs()})
        for (const package::Value *value : *values)
          for (const package::Formula *dim : *value->dims())
            check(*dim);
      for (const package::Buffer *buffer : *entry->buffers()) {
        require(check(*buffer->offset()) + check(*buffer->size()) <= check(*entry->arena_size()));
        require(check(*buffer->offset()) % 64 == 0);
      }
      for (const package::Launch *launch : *entry->launches()) {
        require(launch->kernel() < program.kernels()->size());
        for (const package::Formula *param : *launch->params())
          check(*param, runtime::Sign::any);
        const package::Kernel &kernel = *program.kernels()->Get(launch->kernel());
        for (uint32_t i = 0; i < kernel.variants()->size(); ++i)
          if (isCuda(runtime::targetKind(program.targets()->Get(i)->name()->c_str())) &&
              kernel.variants()->Get(i)->tensor_maps())
            for (const package::TensorMap *map : *kernel.variants()->Get(i)->tensor_maps())
              require(map->operand() < launch->operands()->size());
      }
    }
  }

private:
  void checkCuda(const package::KernelVariant &variant) const {
    require(variant.threads() && variant.threads() <= 1024 && variant.shared() <= 227 << 10);
    if (!variant.tensor_maps())
      return;
    for (const package::TensorMap *map : *variant.tensor_maps()) {
      require(map->dims()->size() <= 5 && map->strides()->size() + 1 == map->dims()->size() &&
              map->box()->size() == map->dims()->size());
      for (const package::Formula *dim : *map->dims())
        check(*dim);
      for (const package::Formula *stride : *map->strides())
        require(check(*stride) >= 0);
    }
  }
  static void require(bool condition) {
    if (!condition)
      std::abort();
  }
  // Evaluates at both ends of the profile; returns the value at the upper end.
  int64_t check(const package::Formula &formula, runtime::Sign sign = runtime::Sign::nonNegative) const {
    char text[64];
    runtime::printFormula(formula, program, text, sizeof text);
    int64_t low = 0, high = 0;
    require(runtime::evaluate(formula, minima.data(), low, sign) &&
            runtime::evaluate(formula, maxima.data(), high, sign));
    return high;
  }

  const package::Program &program;
  std::vector<int64_t> minima, maxima;
};

inline void checkVerified(const runtime::Image &image) { VerifiedProgram(image).check(); }

} // namespace lathe::fuzz
