# Warnings for our own code only; generated code and headers of libraries are left alone.
add_library(zoe_common_flags INTERFACE)
target_compile_options(zoe_common_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wvla -Wcast-qual -Wformat=2 -Wundef -ffp-contract=off -fno-omit-frame-pointer)
target_compile_definitions(zoe_common_flags INTERFACE
    _POSIX_C_SOURCE=200809L _XOPEN_SOURCE=700 _DEFAULT_SOURCE)
# clang blames us for the casts inside protobuf-c's ..__INIT macros, which gcc rightly counts as the system's; gcc keeps watch over ours.
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    target_compile_options(zoe_common_flags INTERFACE -Wno-cast-qual)
endif()
if(ZOE_WERROR)
    target_compile_options(zoe_common_flags INTERFACE -Werror)
endif()
if(ZOE_SANITIZE)
    add_compile_options(-fsanitize=${ZOE_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${ZOE_SANITIZE} -fno-sanitize-recover=all)
endif()
if(ZOE_FUZZ) # without coverage in every object libFuzzer gives up at once
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

add_library(zoe_flags INTERFACE)
target_link_libraries(zoe_flags INTERFACE zoe_common_flags)
target_compile_definitions(zoe_flags INTERFACE ZOE_VERSION="${PROJECT_VERSION}")

# Of the programs that only tests use: cmake/Next.cmake.
add_library(zoe_flags_next INTERFACE)
target_link_libraries(zoe_flags_next INTERFACE zoe_common_flags)
target_compile_definitions(zoe_flags_next INTERFACE ZOE_VERSION="${PROJECT_VERSION}+test" ZOE_PROTOCOL_NEXT ZOE_MUTATIONS)
