#include "actors/coordinator/certificates.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <system_error>
#include <utility>

namespace muster {

certificate_store::certificate_store(
  std::string ca_file, std::function<void(const std::string&)> warn)
  : ca_file_(std::move(ca_file)),
    warn_(std::move(warn)) {
}

std::shared_ptr<x509_store_st> certificate_store::get() {
  std::lock_guard lock{mutex_};
  std::error_code missing;
  auto changed = ca_file_.empty()
                   ? std::filesystem::file_time_type{}
                   : std::filesystem::last_write_time(ca_file_, missing);
  if (missing)
    changed = {};
  if (store_ && changed == loaded_)
    return store_;
  std::shared_ptr<x509_store_st> fresh{::X509_STORE_new(), ::X509_STORE_free};
  if (!fresh)
    return store_;
  ::X509_STORE_set_default_paths(fresh.get());
  // Each client adds this folder once more; done here first, that changes
  // nothing and is safe while others use the store.
  ::X509_STORE_load_path(fresh.get(), ::X509_get_default_cert_dir());
  if (!ca_file_.empty() && !missing)
    add_file(*fresh);
  ::ERR_clear_error();
  loaded_ = changed;
  return store_ = fresh;
}

void certificate_store::add_file(x509_store_st& store) {
  if (::X509_STORE_load_file(&store, ca_file_.c_str()) != 1 && warn_)
    warn_("tls-ca-file " + ca_file_
          + " holds no certificate that can be read: it is ignored");
}

} // namespace muster
