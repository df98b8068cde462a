# `cpack -G DEB` in a build directory. No scripts, no conffiles: installing copies files, removing removes
# them; the units start nothing before the user says so.
set(P2PMAIL_MAINTAINER "Whoever built this <root@localhost>" CACHE STRING
    "Maintainer of the Debian package, as deb-control(5) wants it")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME p2pmail)
set(CPACK_PACKAGE_CONTACT "${P2PMAIL_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "mail between people, without a server in between")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "mail between people, without a server in between
Messages are sealed for the recipient's devices, signed by the sender's,
travel directly from machine to machine, and lie sealed in a Maildir that
mutt and neomutt read. A command line, cron or systemd, no daemon needed.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "mutt | neomutt")
set(CPACK_STRIP_FILES ON)
# The units must name /usr, not the directory where the package is put together.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
# Its list of files goes to a name of its own: install_manifest.txt is for uninstalling what
# `cmake --install` put there.
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};p2pmail;Unspecified;/")
set(CPACK_COMPONENTS_ALL Unspecified)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/finish.cmake)
set(CPACK_P2PMAIL_COPYRIGHT ${CMAKE_CURRENT_LIST_DIR}/copyright)
include(CPack)
