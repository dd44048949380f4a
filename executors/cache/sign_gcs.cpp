#include "executors/cache/digest.hpp"
#include "executors/cache/signing.hpp"

#include <algorithm>
#include <memory>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace muster {

namespace {

template <class T, void (*Free)(T*)>
struct freed_by {
  void operator()(T* x) const {
    Free(x);
  }
};

using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY, ::EVP_PKEY_free>>;
using digest_ptr
  = std::unique_ptr<EVP_MD_CTX, freed_by<EVP_MD_CTX, ::EVP_MD_CTX_free>>;
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO, ::BIO_free_all>>;

/// Answers a request for a passphrase with none, rather than asking at the
/// terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

key_ptr read_key(std::string_view pem) {
  bio_ptr from{::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  key_ptr key;
  if (from)
    key.reset(
      ::PEM_read_bio_PrivateKey(from.get(), nullptr, no_passphrase, nullptr));
  ::ERR_clear_error();
  return key;
}

/// RSA with SHA-256; empty if the key cannot do that.
std::string rsa_sha256(const secret& pem, std::string_view text) {
  auto key = read_key(pem.reveal());
  digest_ptr context{::EVP_MD_CTX_new()};
  std::string out;
  size_t size = 0;
  auto bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (key && context
      && ::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr,
                              key.get())
           == 1
      && ::EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size())
           == 1) {
    out.resize(size);
    if (::EVP_DigestSign(context.get(),
                         reinterpret_cast<unsigned char*>(out.data()), &size,
                         bytes, text.size())
        != 1)
      size = 0;
    out.resize(size);
  }
  ::ERR_clear_error();
  return out;
}

} // namespace

signed_request
sign_gcs(const gcs_cache_config& with, http_method method,
         std::string_view object,
         std::vector<std::pair<std::string, std::string>> headers,
         const signing_time& time) {
  auto expires = std::to_string(time.now_unix + time.valid.count());
  auto path
    = '/' + percent_encoded(with.bucket) + '/' + percent_encoded(object, true);
  // Verb, Content-MD5, Content-Type, Expires, the extension headers, resource.
  auto extensions = headers;
  std::ranges::sort(extensions);
  std::string type;
  std::string lines;
  for (const auto& [name, value] : extensions)
    if (name == "content-type")
      type = value;
    else
      lines += name + ':' + value + '\n';
  auto signature = rsa_sha256(with.private_key,
                              std::string{to_string(method)} + "\n\n" + type
                                + '\n' + expires + '\n' + lines + path);
  if (signature.empty())
    return {};
  return {"https://storage." + with.universe_domain + path + "?GoogleAccessId="
            + percent_encoded(with.access_id) + "&Expires=" + expires
            + "&Signature=" + percent_encoded(base64_of(signature)),
          std::move(headers)};
}

} // namespace muster
