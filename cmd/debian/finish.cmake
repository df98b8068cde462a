# Between installation into the package's tree and its packing: what Debian's policy asks for and
# `cmake --install` has no reason to do (12.1: compressed pages; 12.5: copyright; 12.7: changelog).
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share")
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC) # honours SOURCE_DATE_EPOCH
file(WRITE "${root}/doc/p2pmail/changelog"
"p2pmail (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Built from the sources with cpack.

 -- ${CPACK_PACKAGE_CONTACT}  ${now}
")
file(READ "${CPACK_P2PMAIL_COPYRIGHT}" copyright)
file(WRITE "${root}/doc/p2pmail/copyright" "${copyright}")
# Debian's zsh looks for packages' functions elsewhere.
if(EXISTS "${root}/zsh/site-functions")
  file(RENAME "${root}/zsh/site-functions" "${root}/zsh/vendor-completions")
endif()
file(GLOB_RECURSE pages "${root}/man/*.[1-8]")
if(NOT pages)
  message(FATAL_ERROR "no man pages in ${root}")
endif()
execute_process(COMMAND gzip -9nf ${pages} "${root}/doc/p2pmail/changelog" COMMAND_ERROR_IS_FATAL ANY)

# Whatever the umask of whoever packs: cmake makes directories, and file(WRITE) files, with it.
file(GLOB_RECURSE files LIST_DIRECTORIES true "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*")
set(all "${CPACK_TEMPORARY_INSTALL_DIRECTORY}" ${files})
foreach(file IN LISTS all)
  if(IS_DIRECTORY "${file}" OR file MATCHES "/bin/[^/]*$")
    file(CHMOD "${file}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
         WORLD_READ WORLD_EXECUTE)
  else()
    file(CHMOD "${file}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  endif()
endforeach()
