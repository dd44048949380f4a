#include "actors/coordinator/server_chain.hpp"

#include <fstream>
#include <memory>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace muster {

namespace {

std::string pem_of(const SSL* connection) {
  std::unique_ptr<BIO, decltype(&::BIO_free_all)> out{::BIO_new(::BIO_s_mem()),
                                                      ::BIO_free_all};
  auto* chain = ::SSL_get0_verified_chain(connection);
  for (int i = 0; out && chain != nullptr && i < sk_X509_num(chain); ++i)
    ::PEM_write_bio_X509(out.get(), sk_X509_value(chain, i));
  ::ERR_clear_error();
  char* text = nullptr;
  auto size = out ? ::BIO_get_mem_data(out.get(), &text) : 0;
  return size > 0 ? std::string(text, static_cast<size_t>(size))
                  : std::string{};
}

void note_chain(const SSL* connection, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_DONE) == 0)
    return;
  auto* to = static_cast<std::string*>(
    SSL_CTX_get_app_data(::SSL_get_SSL_CTX(connection)));
  if (to != nullptr)
    *to = pem_of(connection);
}

} // namespace

void server_chain::watch(ssl_ctx_st* context) {
  SSL_CTX_set_app_data(context, &pem_);
  ::SSL_CTX_set_info_callback(context, note_chain);
}

std::string read_pem_file(const std::string& path) {
  constexpr size_t size_max = 1u << 20;
  std::ifstream in{path, std::ios::binary};
  std::string text(size_max, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return text.size() < size_max ? text : std::string{};
}

} // namespace muster
