#include "executors/ssh/openssh_key.hpp"

#include "executors/ssh/bcrypt.hpp"
#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <array>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <string>

namespace muster::ssh {

namespace {

constexpr std::string_view begin_line = "-----BEGIN OPENSSH PRIVATE KEY-----";
constexpr std::string_view end_line = "-----END OPENSSH PRIVATE KEY-----";

using shared_pkey = std::shared_ptr<EVP_PKEY>;
using number = std::unique_ptr<BIGNUM, decltype(&BN_clear_free)>;

auto bad_key(const std::string& what) {
  return fail(connection_errc::not_authenticated,
              "authentication: the private key " + what);
}

number to_number(std::string_view big_endian) {
  return {BN_bin2bn(reinterpret_cast<const unsigned char*>(big_endian.data()),
                    static_cast<int>(big_endian.size()), nullptr),
          BN_clear_free};
}

/// A key out of named numbers and texts.
class key_builder {
public:
  void add(const char* name, const BIGNUM* x) {
    ok_ = ok_ && x != nullptr
          && OSSL_PARAM_BLD_push_BN(builder_.get(), name, x) == 1;
  }

  void add_text(const char* name, const std::string& x) {
    ok_ = ok_
          && OSSL_PARAM_BLD_push_utf8_string(builder_.get(), name, x.c_str(), 0)
               == 1;
  }

  void add_bytes(const char* name, std::string_view x) {
    ok_ = ok_
          && OSSL_PARAM_BLD_push_octet_string(builder_.get(), name, x.data(),
                                              x.size())
               == 1;
  }

  /// Null if the numbers make no key.
  shared_pkey build(const char* algorithm) {
    if (!ok_)
      return nullptr;
    std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> params{
      OSSL_PARAM_BLD_to_param(builder_.get()), OSSL_PARAM_free};
    std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context{
      EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr),
      EVP_PKEY_CTX_free};
    EVP_PKEY* made = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1
        || EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR,
                             params.get())
             != 1)
      return nullptr;
    return {made, EVP_PKEY_free};
  }

private:
  std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder_{
    OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free};
  bool ok_ = builder_ != nullptr;
};

shared_pkey read_ed25519(wire_reader& in) {
  constexpr size_t seed_size = 32;
  auto open = in.string();
  auto both = in.string(); // the seed and the public half
  if (!open || !both || both->size() != 2 * seed_size)
    return nullptr;
  return {EVP_PKEY_new_raw_private_key(
            EVP_PKEY_ED25519, nullptr,
            reinterpret_cast<const unsigned char*>(both->data()), seed_size),
          EVP_PKEY_free};
}

shared_pkey read_ecdsa(wire_reader& in) {
  auto curve = in.string();
  auto point = in.string();
  auto secret_number = in.string();
  if (!curve || !point || !secret_number)
    return nullptr;
  std::string group = *curve == "nistp256"   ? "P-256"
                      : *curve == "nistp384" ? "P-384"
                      : *curve == "nistp521" ? "P-521"
                                             : "";
  if (group.empty())
    return nullptr;
  auto d = to_number(*secret_number);
  key_builder builder;
  builder.add_text(OSSL_PKEY_PARAM_GROUP_NAME, group);
  builder.add_bytes(OSSL_PKEY_PARAM_PUB_KEY, *point);
  builder.add(OSSL_PKEY_PARAM_PRIV_KEY, d.get());
  return builder.build("EC");
}

/// `d` modulo `prime - 1`: the format leaves these two out.
number exponent_of(const BIGNUM* d, const BIGNUM* prime) {
  number result{BN_new(), BN_clear_free};
  number below{BN_dup(prime), BN_clear_free};
  std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context{BN_CTX_new(),
                                                          BN_CTX_free};
  if (!result || !below || !context || BN_sub_word(below.get(), 1) != 1
      || BN_mod(result.get(), d, below.get(), context.get()) != 1)
    return {nullptr, BN_clear_free};
  return result;
}

shared_pkey read_rsa(wire_reader& in) {
  const char* const names[]
    = {OSSL_PKEY_PARAM_RSA_N,       OSSL_PKEY_PARAM_RSA_E,
       OSSL_PKEY_PARAM_RSA_D,       OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
       OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2};
  std::vector<number> numbers;
  key_builder builder;
  for (auto name : names) {
    auto bytes = in.string();
    if (!bytes)
      return nullptr;
    numbers.push_back(to_number(*bytes));
    builder.add(name, numbers.back().get());
  }
  for (const auto& x : numbers) {
    if (!x || BN_is_zero(x.get()))
      return nullptr;
  }
  auto exponent1 = exponent_of(numbers[2].get(), numbers[4].get());
  auto exponent2 = exponent_of(numbers[2].get(), numbers[5].get());
  builder.add(OSSL_PKEY_PARAM_RSA_EXPONENT1, exponent1.get());
  builder.add(OSSL_PKEY_PARAM_RSA_EXPONENT2, exponent2.get());
  return builder.build("RSA");
}

// -- passphrases --------------------------------------------------------------

/// A cipher of `ssh-keygen -Z`, by its name in the container.
struct container_cipher {
  std::string_view name;
  const EVP_CIPHER* (*algorithm)();
  size_t tag_bytes = 0; ///< behind what is encrypted
};

constexpr auto ciphers = std::to_array<container_cipher>({
  {"aes256-ctr", EVP_aes_256_ctr},
  {"aes192-ctr", EVP_aes_192_ctr},
  {"aes128-ctr", EVP_aes_128_ctr},
  {"aes256-cbc", EVP_aes_256_cbc},
  {"aes192-cbc", EVP_aes_192_cbc},
  {"aes128-cbc", EVP_aes_128_cbc},
  {"3des-cbc", EVP_des_ede3_cbc},
  {"aes256-gcm@openssh.com", EVP_aes_256_gcm, 16},
  {"aes128-gcm@openssh.com", EVP_aes_128_gcm, 16},
});

/// What stands before the private part.
struct container {
  std::string_view cipher;
  std::string_view kdf;
  std::string_view kdf_options;
  std::string_view private_part;
  std::string_view tag; ///< and whatever else follows
};

/// Deciphers with `key`, which has the initial vector behind it. Nothing if the
/// tag is wrong.
std::optional<std::string> decipher(const container_cipher& with,
                                    const container& from,
                                    const std::string& key, size_t key_bytes) {
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context{
    EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
  auto bytes = [](std::string_view x) {
    return reinterpret_cast<const unsigned char*>(x.data());
  };
  std::string out(from.private_part.size(), '\0');
  std::string tag{from.tag.substr(0, with.tag_bytes)};
  int size = 0;
  if (!context || tag.size() != with.tag_bytes
      || EVP_DecryptInit_ex2(context.get(), with.algorithm(), bytes(key),
                             bytes(key) + key_bytes, nullptr)
           != 1
      || EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1
      || (!tag.empty()
          && EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG,
                                 static_cast<int>(tag.size()), tag.data())
               != 1)
      || EVP_DecryptUpdate(
           context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
           bytes(from.private_part), static_cast<int>(from.private_part.size()))
           != 1
      || EVP_DecryptFinal_ex(
           context.get(), reinterpret_cast<unsigned char*>(out.data()) + size,
           &size)
           != 1)
    return std::nullopt;
  return out;
}

result<std::string, connection_errc>
open_container(const container& from, std::string_view passphrase) {
  constexpr uint32_t rounds_max = 1'000; // some 15 s
  constexpr size_t size_max = 64 * 1024;
  const auto* with
    = std::ranges::find(ciphers, from.cipher, &container_cipher::name);
  if (passphrase.empty())
    return bad_key("is protected by a passphrase: give one without "
                   "(ssh-keygen -p -N \"\")");
  wire_reader options{from.kdf_options};
  auto salt = options.string();
  auto rounds = options.u32();
  if (with == ciphers.end() || from.kdf != "bcrypt")
    return bad_key("is protected in a way that is not known ("
                   + printable(from.cipher) + ", " + printable(from.kdf)
                   + "): protect it anew (ssh-keygen -p -Z aes256-ctr)");
  if (!salt || salt->empty() || !rounds || *rounds == 0
      || from.private_part.size() > size_max)
    return bad_key("is damaged: its OpenSSH container cannot be decoded");
  if (*rounds > rounds_max)
    return bad_key("is protected by " + std::to_string(*rounds)
                   + " rounds, more than the " + std::to_string(rounds_max)
                   + " that are done: protect it anew (ssh-keygen -p -a 100)");
  auto key_bytes
    = static_cast<size_t>(EVP_CIPHER_get_key_length(with->algorithm()));
  auto vector_bytes
    = static_cast<size_t>(EVP_CIPHER_get_iv_length(with->algorithm()));
  auto key = bcrypt_key(passphrase, *salt, *rounds, key_bytes + vector_bytes);
  auto opened = decipher(*with, from, key, key_bytes);
  OPENSSL_cleanse(key.data(), key.size());
  wire_reader first{opened ? *opened : std::string_view{}};
  auto check = first.u32();
  if (!check || check != first.u32())
    return bad_key("does not open with the passphrase given");
  return std::move(*opened);
}

result<shared_pkey, connection_errc> read_private_part(std::string_view bytes) {
  wire_reader in{bytes};
  auto check1 = in.u32();
  auto check2 = in.u32();
  auto type = in.string();
  if (!check1 || check1 != check2 || !type)
    return bad_key("is damaged: its OpenSSH container does not hold a key");
  shared_pkey key;
  if (*type == "ssh-ed25519")
    key = read_ed25519(in);
  else if (type->starts_with("ecdsa-sha2-nistp"))
    key = read_ecdsa(in);
  else if (*type == "ssh-rsa")
    key = read_rsa(in);
  else
    return bad_key("is of type " + printable(*type)
                   + ", which cannot be used: give an ed25519, ECDSA or RSA "
                     "key");
  if (!key)
    return bad_key("is damaged: the numbers in it make no key");
  return key;
}

} // namespace

bool is_openssh_key(std::string_view text) {
  return text.find(begin_line) != std::string_view::npos;
}

result<shared_pkey, connection_errc>
parse_openssh_key(std::string_view text, std::string_view passphrase) {
  constexpr std::string_view magic{"openssh-key-v1\0", 15};
  auto begin = text.find(begin_line);
  auto end = text.find(end_line);
  if (begin == std::string_view::npos || end == std::string_view::npos
      || end < begin)
    return bad_key("is cut off: its END line is missing");
  std::string body;
  for (char c : text.substr(begin + begin_line.size(),
                            end - begin - begin_line.size())) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
      body.push_back(c);
  }
  auto bytes = base64_decode(body);
  if (!bytes || !std::string_view{*bytes}.starts_with(magic))
    return bad_key("is damaged: its OpenSSH container cannot be decoded");
  wire_reader in{std::string_view{*bytes}.substr(magic.size())};
  auto cipher = in.string();
  auto kdf = in.string();
  auto kdf_options = in.string();
  auto count = in.u32();
  auto open_part = in.string();
  auto private_part = in.string();
  if (!cipher || !kdf || !kdf_options || !count || !open_part || !private_part)
    return bad_key("is damaged: its OpenSSH container is cut off");
  if (*cipher == "none")
    return read_private_part(*private_part);
  auto opened = open_container(
    {*cipher, *kdf, *kdf_options, *private_part, in.rest()}, passphrase);
  if (!opened)
    return tl::unexpected{opened.error()};
  auto key = read_private_part(*opened);
  OPENSSL_cleanse(opened->data(), opened->size());
  return key;
}

} // namespace muster::ssh
