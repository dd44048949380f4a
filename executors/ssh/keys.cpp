#include "executors/ssh/keys.hpp"

#include "executors/ssh/openssh_key.hpp"
#include "executors/ssh/wire.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace muster::ssh {

namespace {

constexpr size_t cache_entries_max = 64;

using shared_pkey = std::shared_ptr<EVP_PKEY>;

auto bad_key(const std::string& what) {
  return fail(connection_errc::not_authenticated,
              "authentication: the private key " + what);
}

/// What OpenSSL may ask for.
struct passphrase_request {
  std::string_view passphrase; ///< empty: there is none
  bool asked = false;
};

int give_passphrase(char* to, int size_max, int, void* request) {
  auto& from = *static_cast<passphrase_request*>(request);
  from.asked = true;
  auto size = from.passphrase.size();
  if (size == 0 || size > static_cast<size_t>(size_max))
    return -1;
  from.passphrase.copy(to, size);
  return static_cast<int>(size);
}

/// What people give by mistake, and what to do then.
std::string advice_for(std::string_view text) {
  auto has = [text](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  };
  if (has("PuTTY-User-Key-File"))
    return "is in PuTTY's format: export it for OpenSSH (puttygen KEY.ppk -O "
           "private-openssh -o KEY)";
  if (has("-----BEGIN PUBLIC KEY") || has("-----BEGIN RSA PUBLIC KEY")
      || has("---- BEGIN SSH2 PUBLIC KEY") || text.starts_with("ssh-")
      || text.starts_with("ecdsa-sha2-"))
    return "is a public key: give its private half, the file without .pub";
  if (has("-----BEGIN CERTIFICATE"))
    return "is a certificate: give the private key that belongs to it";
  return "cannot be read: expected the text of a PEM, PKCS#8 or OpenSSH "
         "private key, from its BEGIN to its END line";
}

/// Without the blanks around each line that quoting in a config leaves.
std::string trimmed_lines(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  std::string result;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto first = line.find_first_not_of(blanks);
    if (first != std::string_view::npos)
      result += line.substr(first, line.find_last_not_of(blanks) - first + 1);
    result += '\n';
  }
  return result;
}

result<shared_pkey, connection_errc> parse_pem(std::string_view text,
                                               passphrase_request& request) {
  auto clean = trimmed_lines(text);
  std::unique_ptr<BIO, decltype(&BIO_free)> bio{
    BIO_new_mem_buf(clean.data(), static_cast<int>(clean.size())), BIO_free};
  shared_pkey key{
    PEM_read_bio_PrivateKey(bio.get(), nullptr, give_passphrase, &request),
    EVP_PKEY_free};
  ERR_clear_error();
  OPENSSL_cleanse(clean.data(), clean.size());
  if (key)
    return key;
  if (request.asked)
    return bad_key(request.passphrase.empty()
                     ? "is protected by a passphrase: give one without"
                     : "does not open with the passphrase given");
  return bad_key(advice_for(text));
}

std::string number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* x = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &x) != 1)
    return "";
  std::string result(static_cast<size_t>(BN_num_bytes(x)), '\0');
  BN_bn2bin(x, reinterpret_cast<unsigned char*>(result.data()));
  BN_free(x);
  return result;
}

/// The point in its uncompressed form, whatever form the file had.
std::string point_of(EVP_PKEY* key) {
  EVP_PKEY_set_utf8_string_param(
    key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed");
  std::string result(256, '\0');
  size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(
        key, OSSL_PKEY_PARAM_PUB_KEY,
        reinterpret_cast<unsigned char*>(result.data()), result.size(), &size)
      != 1)
    return "";
  result.resize(size);
  return result;
}

/// SSH's name of the curve, empty for those it does not know.
std::string curve_of(const EVP_PKEY* key) {
  char name[64] = {};
  if (EVP_PKEY_get_group_name(key, name, sizeof name, nullptr) != 1)
    return "";
  std::string group{name};
  return group == "prime256v1" || group == "P-256"  ? "nistp256"
         : group == "secp384r1" || group == "P-384" ? "nistp384"
         : group == "secp521r1" || group == "P-521" ? "nistp521"
                                                    : "";
}

const EVP_MD* digest_of(std::string_view algorithm) {
  if (algorithm == "ssh-ed25519")
    return nullptr; // signs the data itself
  if (algorithm == "rsa-sha2-512" || algorithm == "ecdsa-sha2-nistp521")
    return EVP_sha512();
  return algorithm == "ecdsa-sha2-nistp384" ? EVP_sha384() : EVP_sha256();
}

std::string mpint_of(const BIGNUM* x) {
  std::string bytes(static_cast<size_t>(BN_num_bytes(x)), '\0');
  BN_bn2bin(x, reinterpret_cast<unsigned char*>(bytes.data()));
  return wire_mpint(bytes);
}

/// Turns OpenSSL's DER signature into the two integers of RFC 5656.
std::optional<std::string> ecdsa_signature(const std::string& der) {
  auto bytes = reinterpret_cast<const unsigned char*>(der.data());
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> parts{
    d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size())),
    ECDSA_SIG_free};
  if (!parts)
    return std::nullopt;
  return mpint_of(ECDSA_SIG_get0_r(parts.get()))
         + mpint_of(ECDSA_SIG_get0_s(parts.get()));
}

} // namespace

std::string private_key::public_blob(std::string_view algorithm) const {
  return wire_string(algorithm) + public_fields_;
}

std::optional<std::string> private_key::sign(std::string_view algorithm,
                                             std::string_view data) const {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{
    EVP_MD_CTX_new(), EVP_MD_CTX_free};
  auto bytes = reinterpret_cast<const unsigned char*>(data.data());
  size_t size = 0;
  if (!context
      || EVP_DigestSignInit(context.get(), nullptr, digest_of(algorithm),
                            nullptr, key_.get())
           != 1
      || EVP_DigestSign(context.get(), nullptr, &size, bytes, data.size()) != 1)
    return std::nullopt;
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(),
                     reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes, data.size())
      != 1)
    return std::nullopt;
  signature.resize(size);
  if (algorithm.starts_with("ecdsa-"))
    return ecdsa_signature(signature);
  return signature;
}

result<shared_key, connection_errc>
parse_private_key(std::string_view text, std::string_view passphrase) {
  passphrase_request request{passphrase};
  auto parsed = is_openssh_key(text) ? parse_openssh_key(text, passphrase)
                                     : parse_pem(text, request);
  if (!parsed)
    return tl::unexpected{parsed.error()};
  auto key = std::make_shared<private_key>();
  key->key_ = *parsed;
  auto* raw = parsed->get();
  auto bits = std::to_string(EVP_PKEY_get_bits(raw));
  if (EVP_PKEY_is_a(raw, "RSA")) {
    key->algorithms_ = {"rsa-sha2-256", "rsa-sha2-512"};
    key->description_ = "an RSA key of " + bits + " bits";
    key->public_fields_ = wire_mpint(number_of(raw, OSSL_PKEY_PARAM_RSA_E))
                          + wire_mpint(number_of(raw, OSSL_PKEY_PARAM_RSA_N));
    return key;
  }
  if (EVP_PKEY_is_a(raw, "ED25519")) {
    std::string open(32, '\0');
    size_t size = open.size();
    EVP_PKEY_get_raw_public_key(
      raw, reinterpret_cast<unsigned char*>(open.data()), &size);
    key->algorithms_ = {"ssh-ed25519"};
    key->description_ = "an ed25519 key";
    key->public_fields_ = wire_string(open);
    return key;
  }
  auto curve = EVP_PKEY_is_a(raw, "EC") ? curve_of(raw) : "";
  if (curve.empty())
    return bad_key(
      "is of a kind that SSH servers do not take: give an ed25519, "
      "ECDSA (P-256, P-384, P-521) or RSA key");
  key->algorithms_ = {"ecdsa-sha2-" + curve};
  key->description_ = "an ecdsa key (" + curve + ")";
  key->public_fields_ = wire_string(curve) + wire_string(point_of(raw));
  return key;
}

result<std::string, connection_errc> unlock_key(const std::string& text,
                                                std::string_view passphrase) {
  if (parse_private_key(text))
    return text;
  passphrase_request request{passphrase};
  auto parsed = is_openssh_key(text) ? parse_openssh_key(text, passphrase)
                                     : parse_pem(text, request);
  if (!parsed)
    return tl::unexpected{parsed.error()};
  std::unique_ptr<BIO, decltype(&BIO_free)> out{BIO_new(BIO_s_secmem()),
                                                BIO_free};
  if (!out
      || PEM_write_bio_PKCS8PrivateKey(out.get(), parsed->get(), nullptr,
                                       nullptr, 0, nullptr, nullptr)
           != 1)
    return bad_key("cannot be used without its passphrase");
  char* bytes = nullptr;
  auto size = BIO_get_mem_data(out.get(), &bytes);
  std::string open(bytes, static_cast<size_t>(size));
  if (auto usable = parse_private_key(open); !usable)
    return tl::unexpected{usable.error()};
  return open;
}

result<shared_key, connection_errc> key_cache::get(const std::string& text) {
  auto hash = sha256(text);
  {
    std::lock_guard guard{mutex_};
    for (auto i = entries_.begin(); i != entries_.end(); ++i) {
      if (i->first == hash) {
        entries_.splice(entries_.begin(), entries_, i);
        return i->second;
      }
    }
  }
  auto key = parse_private_key(text);
  if (!key)
    return key;
  std::lock_guard guard{mutex_};
  entries_.emplace_front(std::move(hash), *key);
  if (entries_.size() > cache_entries_max)
    entries_.pop_back();
  return key;
}

} // namespace muster::ssh
