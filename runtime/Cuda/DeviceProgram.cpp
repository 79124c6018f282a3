// Choosing, checking and loading code for a device.
#include "runtime/Cuda/DeviceProgram.h"
#include "runtime/Cuda/Nvrtc.h"
#include "runtime/Package/Targets.h"
#include "runtime/Program/Runtime.h"
#include <cstdio>
#include <elf.h>

namespace lathe::cuda {
using namespace runtime;
using namespace package;

DeviceProgram::DeviceProgram(Runtime &runtime)
    : device(runtime.allocator), runtime(runtime), allocator(runtime.allocator), weightMemory(device) {}

DeviceProgram::~DeviceProgram() {
  if (module) {
    Current current(device);
    device.driver->cuModuleUnload(module);
  }
}

bool parseDevice(const char *name, uint32_t &ordinal) {
  if (strncmp(name, "cuda:", 5))
    return false;
  const char *at = name + 5;
  for (ordinal = 0; *at >= '0' && *at <= '9' && ordinal < 1000; ++at)
    ordinal = ordinal * 10 + static_cast<uint32_t>(*at - '0');
  return at > name + 5 && !*at;
}

Status describeDevice(Runtime &runtime, const char *name, lathe_device_info &info) {
  uint32_t ordinal;
  if (!parseDevice(name, ordinal))
    return fail(runtime.allocator, LATHE_INVALID_ARGUMENT, "expected a device 'cpu' or 'cuda:0', got '%.64s'", name);
  const Driver *driver;
  if (Status status = runtime.cudaDriver(driver))
    return status;
  Device device(runtime.allocator);
  if (Status status = device.open(*driver, ordinal))
    return status;
  Current current(device);
  if (Status status = current.status())
    return status;
  size_t free = 0, total = 0;
  int count = 0;
  CUresult error = driver->cuMemGetInfo(&free, &total);
  if (!error)
    error = driver->cuDeviceGetCount(&count);
  if (error)
    return device.failed(error, "asking for the properties of device cuda:%u", ordinal);
  memcpy(info.name, device.name, sizeof info.name);
  info.sm = static_cast<uint32_t>(device.major * 10 + device.minor);
  info.processors = static_cast<uint32_t>(device.multiprocessors);
  info.memory = total;
  info.free = free;
  info.driver = static_cast<uint32_t>(driver->version);
  info.count = static_cast<uint32_t>(count);
  return {};
}

Status DeviceProgram::open(uint32_t ordinal) {
  const Driver *driver;
  if (Status status = runtime.cudaDriver(driver))
    return status;
  return device.open(*driver, ordinal);
}

// "12.9" of 12090.
static void printVersion(int version, char (&text)[24]) {
  snprintf(text, sizeof text, "%d.%d", version / 1000, version % 1000 / 10);
}

Status DeviceProgram::chooseTarget(const Program &program, const char *forced, uint32_t &target) const {
  char names[512] = "", version[24];
  int best = 0;
  bool found = false, tooOld = false;
  for (uint32_t i = 0; i < program.targets()->size(); ++i) {
    const Target &candidate = *program.targets()->Get(i);
    const char *name = candidate.name()->c_str();
    TargetKind kind = targetKind(name);
    size_t used = strlen(names);
    printVersion(static_cast<int>(candidate.driver()), version);
    bool needsDriver = isCuda(kind) && candidate.driver();
    snprintf(names + used, sizeof names - used, "%s%.64s%s%s%s", used ? ", " : "", name, needsDriver ? " (driver " : "",
             needsDriver ? version : "", needsDriver ? ")" : "");
    if (forced && strcmp(name, forced))
      continue;
    // The device's own code before source, which takes seconds to compile.
    int rank = kind == TargetKind::Simulated ? (device.simulated() ? 1000 : 0)
               : device.simulated()          ? 0
               : kind == TargetKind::Source  ? 1
                                             : cubinRank(name, device.major, device.minor) * 2;
    if (rank && candidate.driver() > static_cast<uint32_t>(device.driver->version)) {
      tooOld = true;
      continue;
    }
    if (rank > best) {
      best = rank;
      target = i;
      found = true;
    }
  }
  if (found)
    return {};
  printVersion(device.driver->version, version);
  return fail(allocator, LATHE_UNSUPPORTED,
              "the package has no code %s%s%sfor device cuda:%u, '%s' (sm_%d%d) with driver %s; it has: %s; hint: %s",
              forced ? "'" : "", forced ? forced : "", forced ? "' " : "", device.ordinal, device.name, device.major,
              device.minor, version, names,
              tooOld ? "update the driver"
                     : "compile for this device (--target=cuda:sm_...), or with --embed-source for any");
}

// Other images that the driver takes, such as PTX, would be texts that end with a zero somewhere.
bool isDeviceElf(const uint8_t *bytes, uint64_t size, bool simulated) {
  Elf64_Ehdr header;
  if (size < sizeof header)
    return false;
  memcpy(&header, bytes, sizeof header);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != (simulated ? EM_X86_64 : EM_CUDA))
    return false;
  auto inside = [&](uint64_t offset, uint64_t length) { return offset <= size && length <= size - offset; };
  if (!inside(header.e_phoff, uint64_t(header.e_phnum) * sizeof(Elf64_Phdr)) ||
      !inside(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Elf64_Shdr)) ||
      (header.e_shnum && header.e_shentsize != sizeof(Elf64_Shdr)) ||
      (header.e_phnum && header.e_phentsize != sizeof(Elf64_Phdr)))
    return false;
  for (uint32_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    memcpy(&section, bytes + header.e_shoff + i * sizeof section, sizeof section);
    if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL && !inside(section.sh_offset, section.sh_size))
      return false;
  }
  for (uint32_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    memcpy(&part, bytes + header.e_phoff + i * sizeof part, sizeof part);
    if (!inside(part.p_offset, part.p_filesz))
      return false;
  }
  return true;
}

Status DeviceProgram::load(const Image &image, const uint8_t *package, uint32_t target, const Weights &weights,
                           lathe_verify verify) {
  Current current(device);
  if (Status status = current.status())
    return status;
  if (Status status = loadCode(image, package, target))
    return status;
  return loadWeights(*image.program, weights, verify != LATHE_VERIFY_OFF);
}

Status DeviceProgram::loadCode(const Image &image, const uint8_t *package, uint32_t target) {
  const Target &chosen = *image.program->targets()->Get(target);
  const Segment &segment = image.segments[chosen.segment()];
  Array<uint8_t> code;
  if (segment.size > SIZE_MAX - 1 || !code.allocateRaw(allocator, segment.size + 1, 64))
    return outOfMemory();
  memcpy(code.data(), package + segment.offset, segment.size);
  code[segment.size] = 0; // source is a text
  if (Status status = checkSegment(allocator, segment, code.data(), runtime.features.sha))
    return status;
  uint64_t size = segment.size;
  if (targetKind(chosen.name()->c_str()) == TargetKind::Source) {
    Array<uint8_t> cubin;
    runtime.log(LATHE_LOG_INFO, "compiling the package's source for sm_%d%d", device.major, device.minor);
    if (Status status = compileSource(allocator, runtime.nvrtcPath(), reinterpret_cast<const char *>(code.data()),
                                      device.major, device.minor, cubin))
      return std::move(status).at(segment.offset);
    code.swap(cubin);
    size = code.size();
  }
  if (!isDeviceElf(code.data(), size, device.simulated()))
    return fail(allocator, LATHE_CORRUPT, "the package is invalid: its code for '%s' is not an ELF file for the device",
                chosen.name()->c_str())
        .at(segment.offset);
  if (CUresult error = device.driver->cuModuleLoadData(&module, code.data())) {
    module = nullptr;
    return device.failed(error, "loading the code for '%s' on '%s'", chosen.name()->c_str(), device.name)
        .at(segment.offset);
  }
  return findFunctions(*image.program, target, segment.offset);
}

Status DeviceProgram::findFunctions(const Program &program, uint32_t target, uint64_t segmentOffset) {
  const auto &kernels = *program.kernels();
  if (!functions.allocate(allocator, kernels.size()))
    return outOfMemory();
  for (uint32_t i = 0; i < kernels.size(); ++i) {
    const Kernel &kernel = *kernels.Get(i);
    const KernelVariant &variant = *kernel.variants()->Get(target);
    CUresult error = device.driver->cuModuleGetFunction(&functions[i], module, variant.symbol()->c_str());
    if (error == CUDA_ERROR_NOT_FOUND)
      return fail(allocator, LATHE_CORRUPT, "the package is invalid: its code lacks kernel '%s'",
                  variant.symbol()->c_str())
          .at(segmentOffset);
    if (error)
      return device.failed(error, "finding kernel '%s'", variant.symbol()->c_str());
    auto shared = static_cast<int>(variant.shared()); // verified to be small
    if (shared > device.sharedMemory)
      return fail(allocator, LATHE_UNSUPPORTED,
                  "kernel '%s' needs %d bytes of shared memory, a block has at most %d on '%s'", kernel.name()->c_str(),
                  shared, device.sharedMemory, device.name);
    if (!shared)
      continue;
    error = device.driver->cuFuncSetAttribute(functions[i], CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared);
    if (error)
      return device.failed(error, "giving kernel '%s' %d bytes of shared memory", kernel.name()->c_str(), shared);
  }
  return {};
}

} // namespace lathe::cuda
