# SPDX-License-Identifier: Apache-2.0
# cpack -G DEB makes the Debian package: binary, systemd unit, /etc/gyre/gyre.yaml, documents, rules and dashboards,
# what consumers of the reports need.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # the tests are not installed, so need not be built
install(TARGETS gyre DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES deploy/systemd/gyre.service DESTINATION lib/systemd/system)
install(FILES deploy/gyre.yaml DESTINATION /etc/gyre)
install(FILES README.md CHANGELOG.md SECURITY.md NOTICE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/gyre)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/gyre RENAME copyright)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/gyre PATTERN decisions EXCLUDE)
install(DIRECTORY deploy/prometheus deploy/grafana deploy/notify deploy/elastic deploy/splunk deploy/vector USE_SOURCE_PERMISSIONS
        DESTINATION ${CMAKE_INSTALL_DATADIR}/gyre)

set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME gyre)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CONTACT "The Gyre Authors <noreply@gyre.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "turns Falco alerts on Kafka into few, correct reports")
set(CPACK_PACKAGE_DESCRIPTION
    "Reads the Falco alerts of a whole fleet from Kafka, drops exact copies, groups the rest into
findings, incidents and outbreaks, and publishes reports, each alert counted exactly once.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS python3-confluent-kafka)  # gyre-notify
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/deploy/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
    ${CMAKE_SOURCE_DIR}/deploy/debian/postrm ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles)
include(CPack)
