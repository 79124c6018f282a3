# MLIR, LLVM and lld as static archives, one precompiled header for all that includes them.
#
# Debian's MLIR CMake targets pull in libLLVM.so even for archives, which registers LLVM's options twice and aborts;
# so the archives are named here. A library of ours links nothing; each tool links lathe_llvm once.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
add_definitions(${LLVM_DEFINITIONS})

file(GLOB mlir_archives ${LLVM_LIBRARY_DIRS}/libMLIR*.a)
list(FILTER mlir_archives EXCLUDE REGEX "CAPI|Test|Runner|ExecutionEngine|Pybind")
execute_process(
  COMMAND ${LLVM_TOOLS_BINARY_DIR}/llvm-config --link-static --libs x86 passes option bitwriter lto dtlto debuginfodwarf
          windowsdriver libdriver
  OUTPUT_VARIABLE llvm_archives OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(llvm_archives)
list(FILTER llvm_archives EXCLUDE REGEX "Polly") # listed, though not part of the packages and not needed
add_library(lathe_llvm INTERFACE)
target_link_directories(lathe_llvm INTERFACE ${LLVM_LIBRARY_DIRS})
target_link_libraries(lathe_llvm INTERFACE
  -Wl,--start-group ${mlir_archives} ${LLVM_LIBRARY_DIRS}/liblldELF.a ${LLVM_LIBRARY_DIRS}/liblldCommon.a
  ${llvm_archives} -Wl,--end-group -l:libz.a -l:libzstd.a -static-libstdc++ -static-libgcc)

# LLVM's archives are not instrumented; so its headers are not either, in what our sources instantiate of them: half of a
# container checked would report what the other half did.
set(mlir_options -fno-exceptions)
if(LATHE_SANITIZE)
  list(APPEND mlir_options -O1 -fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/cmake/Uninstrumented.txt)
endif()

add_library(lathe_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/Pch.cpp)
target_compile_options(lathe_pch PRIVATE ${mlir_options})
target_precompile_headers(lathe_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/Pch.h)

# lathe_library(NAME SOURCES... DEPENDS targets...): a static library that sees MLIR through the precompiled header.
function(lathe_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_compile_options(${name} PRIVATE ${mlir_options})
  target_precompile_headers(${name} REUSE_FROM lathe_pch)
  add_dependencies(${name} lathe_tablegen)
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
endfunction()

# lathe_tool(NAME SOURCES... DEPENDS targets...): an executable with everything linked statically but glibc.
function(lathe_tool name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_compile_options(${name} PRIVATE ${mlir_options})
  target_precompile_headers(${name} REUSE_FROM lathe_pch)
  add_dependencies(${name} lathe_tablegen)
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} lathe_llvm)
  target_link_options(${name} PRIVATE $<$<CONFIG:Release>:-s>)
endfunction()
