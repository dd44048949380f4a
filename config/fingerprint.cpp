#include "config/fingerprint.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <openssl/evp.h>

namespace muster {

fingerprint fingerprint_of(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    return {};
  std::ifstream in{path, std::ios::binary};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest{
    EVP_MD_CTX_new(), EVP_MD_CTX_free};
  EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
  fingerprint out;
  std::string piece(64 * 1024, '\0');
  while (auto count = static_cast<size_t>(
           in.read(piece.data(), static_cast<std::streamsize>(piece.size()))
             .gcount())) {
    EVP_DigestUpdate(digest.get(), piece.data(), count);
    out.size += count;
  }
  if (in.bad())
    return {};
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(digest.get(), bytes, &size);
  for (unsigned int i = 0; i < 8 && i < size; ++i)
    out.hash += fmt::format("{:02x}", bytes[i]);
  return out;
}

} // namespace muster
