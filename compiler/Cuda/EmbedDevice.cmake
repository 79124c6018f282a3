# Writes the texts of Device/ as C++: cmake -DOUTPUT=FILE -DFILES=a.h;b.h -P EmbedDevice.cmake
set(text "// Made by EmbedDevice.cmake.\n#include \"compiler/Cuda/DeviceSource.h\"\nstatic constexpr lathe::cuda::DeviceFile files[] = {\n")
foreach(file ${FILES})
  file(READ ${file} content)
  get_filename_component(name ${file} NAME)
  string(APPEND text "{\"${name}\", R\"device(${content})device\"},\n")
endforeach()
string(APPEND text "};\nconst llvm::ArrayRef<lathe::cuda::DeviceFile> lathe::cuda::kDeviceSource(files);\n")
file(WRITE ${OUTPUT} "${text}")
