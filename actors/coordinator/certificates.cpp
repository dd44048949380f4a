#include "actors/coordinator/certificates.hpp"

#include <array>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <system_error>
#include <utility>

namespace muster {

namespace {

namespace fs = std::filesystem;

fs::file_time_type time_of(const std::string& file) {
  std::error_code missing;
  auto time
    = file.empty() ? fs::file_time_type{} : fs::last_write_time(file, missing);
  return missing ? fs::file_time_type{} : time;
}

std::string in_folders(const std::vector<std::string>& folders,
                       const std::string& name) {
  std::error_code ignored;
  for (const auto& folder : folders)
    if (fs::exists(folder + "/" + name, ignored))
      return folder + "/" + name;
  return folders.empty() ? "" : folders.back() + "/" + name;
}

using bio = std::unique_ptr<BIO, decltype(&::BIO_free)>;

bio open_file(const std::string& file) {
  return {::BIO_new_file(file.c_str(), "r"), ::BIO_free};
}

/// What OpenSSL says was wrong with a file, in brackets.
std::string last_reason() {
  auto code = ::ERR_peek_last_error();
  const auto* text = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return text == nullptr ? "" : std::string{" ("} + text + ")";
}

/// A key with a pass phrase: nobody is there to enter it.
int no_pass_phrase(char*, int, int, void*) {
  return -1;
}

} // namespace

certificate_files find_certificates(certificate_files configured,
                                    const std::string& host,
                                    const std::vector<std::string>& folders) {
  // A host becomes part of a path.
  if (host.empty() || host.find('/') != std::string::npos)
    return configured;
  for (auto [field, suffix] : {std::pair{&configured.ca, ".crt"},
                               std::pair{&configured.cert, ".auth.crt"},
                               std::pair{&configured.key, ".auth.key"}})
    if (field->empty())
      *field = in_folders(folders, host + suffix);
  return configured;
}

bool client_identity::use_in(ssl_ctx_st& context) const {
  auto is_used = ::SSL_CTX_use_certificate(&context, chain.front().get()) == 1
                 && ::SSL_CTX_use_PrivateKey(&context, key.get()) == 1;
  for (size_t i = 1; i < chain.size(); ++i)
    is_used
      = is_used && ::SSL_CTX_add1_chain_cert(&context, chain[i].get()) == 1;
  ::ERR_clear_error();
  return is_used;
}

certificate_store::certificate_store(
  certificate_files files, std::function<void(const std::string&)> warn)
  : files_(std::move(files)),
    warn_(std::move(warn)) {
}

std::shared_ptr<x509_store_st> certificate_store::get() {
  std::lock_guard lock{mutex_};
  auto changed = time_of(files_.ca);
  if (store_ && changed == ca_time_)
    return store_;
  std::shared_ptr<x509_store_st> fresh{::X509_STORE_new(), ::X509_STORE_free};
  if (!fresh)
    return store_;
  ::X509_STORE_set_default_paths(fresh.get());
  // Each client adds this folder once more; done here first, that changes
  // nothing and is safe while others use the store.
  ::X509_STORE_load_path(fresh.get(), ::X509_get_default_cert_dir());
  if (changed != file_time{})
    add_file(*fresh);
  ::ERR_clear_error();
  ca_time_ = changed;
  return store_ = fresh;
}

void certificate_store::add_file(x509_store_st& store) {
  ::ERR_clear_error();
  if (::X509_STORE_load_file(&store, files_.ca.c_str()) != 1 && warn_)
    warn_("tls-ca-file " + files_.ca + " holds no certificate that can be read"
          + last_reason() + ": it is ignored");
}

std::shared_ptr<const client_identity> certificate_store::identity() {
  if (files_.cert.empty() || files_.key.empty())
    return nullptr;
  std::lock_guard lock{mutex_};
  auto cert_time = time_of(files_.cert);
  auto key_time = time_of(files_.key);
  if (cert_time == cert_time_ && key_time == key_time_)
    return identity_;
  cert_time_ = cert_time;
  key_time_ = key_time;
  identity_ = nullptr;
  if (cert_time != file_time{} && key_time != file_time{})
    identity_ = load_identity();
  ::ERR_clear_error();
  return identity_;
}

std::shared_ptr<const client_identity> certificate_store::load_identity() {
  auto failed = [this](const std::string& why) {
    if (warn_)
      warn_("tls-cert-file " + files_.cert + " and tls-key-file " + files_.key
            + " are ignored: " + why);
    return nullptr;
  };
  ::ERR_clear_error();
  auto out = std::make_shared<client_identity>();
  auto cert_file = open_file(files_.cert);
  while (cert_file) {
    std::shared_ptr<X509> next{
      ::PEM_read_bio_X509(cert_file.get(), nullptr, no_pass_phrase, nullptr),
      ::X509_free};
    if (!next)
      break;
    out->chain.push_back(std::move(next));
  }
  if (out->chain.empty())
    return failed("the certificate cannot be read" + last_reason());
  ::ERR_clear_error();
  auto key_file = open_file(files_.key);
  if (key_file)
    out->key = {::PEM_read_bio_PrivateKey(key_file.get(), nullptr,
                                          no_pass_phrase, nullptr),
                ::EVP_PKEY_free};
  if (!out->key)
    return failed("the key cannot be read, or has a pass phrase"
                  + last_reason());
  if (::X509_check_private_key(out->chain.front().get(), out->key.get()) != 1)
    return failed("the key is not the certificate's");
  return out;
}

} // namespace muster
