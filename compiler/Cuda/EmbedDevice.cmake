# Writes the texts of Device/ as C++: cmake -DOUTPUT=FILE -DFILES=a.h;b.h -P EmbedDevice.cmake
set(text "// Made by EmbedDevice.cmake.\n#include \"compiler/Cuda/DeviceSource.h\"\nstatic constexpr llvm::StringRef texts[] = {\n")
foreach(file ${FILES})
  file(READ ${file} content)
  get_filename_component(name ${file} NAME)
  string(APPEND text "R\"device(#line 1 \"Device/${name}\"\n${content})device\",\n")
endforeach()
string(APPEND text "};\nconst llvm::ArrayRef<llvm::StringRef> lathe::cuda::kDeviceSource(texts);\n")
file(WRITE ${OUTPUT} "${text}")
