# Writes recipes/*.yaml as C++: cmake -DOUTPUT=FILE -DFILES=a.yaml;b.yaml -P EmbedRecipes.cmake
set(text "// Made by EmbedRecipes.cmake.\nstatic constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral> shipped[] = {\n")
foreach(file ${FILES})
  file(READ ${file} content)
  get_filename_component(name ${file} NAME_WE)
  string(APPEND text "{\"${name}\", R\"yaml(${content})yaml\"},\n")
endforeach()
file(WRITE ${OUTPUT} "${text}};\n")
