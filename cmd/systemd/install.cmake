# Installs the user units. Where the program is becomes known only now (cmake --install --prefix, cpack),
# so the units are written at installation, from P2PMAIL_UNITS (sources), P2PMAIL_BINDIR and
# P2PMAIL_OUTPUT (a directory of the build tree).
if(IS_ABSOLUTE "${P2PMAIL_BINDIR}")
  set(program "${P2PMAIL_BINDIR}/p2pmail")
else()
  get_filename_component(program "${CMAKE_INSTALL_PREFIX}/${P2PMAIL_BINDIR}/p2pmail" ABSOLUTE)
endif()
string(REPLACE "%" "%%" program "${program}") # systemd.unit(5), specifiers
foreach(unit p2pmail-serve.service p2pmail-fetch.service)
  configure_file("${P2PMAIL_UNITS}/${unit}.in" "${P2PMAIL_OUTPUT}/${unit}" @ONLY)
endforeach()
