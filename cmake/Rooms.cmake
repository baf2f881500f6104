# zoe_room(NAME [PUBLIC libs...] [PRIVATE libs...]): static library of NAME/*.c and NAME/*/*.c, mains left out.
function(zoe_room name)
    cmake_parse_arguments(ROOM "" "" "PUBLIC;PRIVATE" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c ${CMAKE_SOURCE_DIR}/${name}/*/*.c)
    list(FILTER sources EXCLUDE REGEX "(/|_)main\\.c$")
    if(NOT sources)
        file(WRITE ${CMAKE_BINARY_DIR}/empty_${name}.c "typedef int zoe_empty_room;\n")
        set(sources ${CMAKE_BINARY_DIR}/empty_${name}.c)
    endif()
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${ROOM_PUBLIC} PRIVATE zoe_flags ${ROOM_PRIVATE})
endfunction()

# zoe_program(NAME main.c rooms...): a binary in build/PRESET/bin.
function(zoe_program name main)
    if(EXISTS ${CMAKE_SOURCE_DIR}/${main})
        add_executable(${name} ${main})
        target_link_libraries(${name} PRIVATE zoe_flags ${ARGN})
    endif()
endfunction()

# proto/farm.proto -> farm.pb-c.{h,c} in the build tree, a library without our warnings.
set(FARM_OUT ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${FARM_OUT})
add_custom_command(
    OUTPUT ${FARM_OUT}/farm.pb-c.c ${FARM_OUT}/farm.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${FARM_OUT} --proto_path=${CMAKE_SOURCE_DIR}/proto farm.proto
    DEPENDS ${CMAKE_SOURCE_DIR}/proto/farm.proto)
add_library(farm_messages STATIC ${FARM_OUT}/farm.pb-c.c ${FARM_OUT}/farm.pb-c.h)
target_include_directories(farm_messages SYSTEM PUBLIC ${FARM_OUT})
target_link_libraries(farm_messages PUBLIC PkgConfig::protobufc)
