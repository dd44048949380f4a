#include "config/keys.hpp"
#include "config/readers.hpp"
#include "config/source.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace muster {

namespace {

constexpr auto stays = "; caches stay on their instances";

std::optional<std::string> variable(const load_options& options,
                                    const std::string& name) {
  if (options.variable)
    return options.variable(name);
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Answers a request for a passphrase with none, rather than asking at the
/// terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

bool is_rsa_key(std::string_view pem) {
  std::unique_ptr<BIO, decltype(&::BIO_free_all)> from{
    ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
    ::BIO_free_all};
  std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> key{
    from
      ? ::PEM_read_bio_PrivateKey(from.get(), nullptr, no_passphrase, nullptr)
      : nullptr,
    ::EVP_PKEY_free};
  ::ERR_clear_error();
  return key && ::EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
}

bool is_base64(std::string_view text) {
  for (int i = 0; i < 2 && text.ends_with('='); ++i)
    text.remove_suffix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

/// Reads the table of one kind of store. Returns whether it can be used; why
/// not is reported.
struct store_reader {
  const section& at;
  const load_options& options;

  bool unusable(std::string_view name, std::string message,
                std::string hint = "") const {
    at.say(severity::warning, name, message + stays, std::move(hint));
    return false;
  }

  bool required(std::string_view name, const std::string& value) const {
    if (!is_blank(value))
      return true;
    return unusable(name, fmt::format("{} is missing", name),
                    fmt::format("write {} = \"...\"", name));
  }

  // -- Amazon S3 and what speaks its protocol ---------------------------------

  bool read(s3_cache_config& into) const {
    into.bucket = at.text("BucketName");
    if (auto region = at.text("BucketLocation"); !region.empty())
      into.region = std::move(region);
    into.insecure = at.flag("Insecure");
    into.dual_stack = at.flag("DualStack", true);
    into.path_style = at.optional_flag("PathStyle");
    into.accelerate = at.flag("Accelerate");
    for (const auto* role : {"RoleARN", "UploadRoleARN"})
      if (!at.text(role).empty())
        return unusable(role,
                        fmt::format("{} is not supported: muster assumes no "
                                    "role",
                                    role),
                        "write AccessKey and SecretKey of a user with the "
                        "right to the bucket");
    return read_address(into) && read_encryption(into)
           && required("BucketName", into.bucket) && read_credentials(into);
  }

  bool read_address(s3_cache_config& into) const {
    auto address = at.text("ServerAddress");
    for (std::string_view scheme : {"https://", "http://"})
      if (address.starts_with(scheme)) {
        address.erase(0, scheme.size());
        into.insecure = scheme == "http://";
      }
    while (address.ends_with('/'))
      address.pop_back();
    if (address.find_first_of("/?# @") != std::string::npos)
      return unusable(
        "ServerAddress",
        fmt::format("ServerAddress {} is not a host", in_quotes(address)),
        "write it like \"minio.example.com:9000\"");
    into.server_address = std::move(address);
    return true;
  }

  bool read_encryption(s3_cache_config& into) const {
    struct row {
      std::string_view name;
      const char* header;
    };
    constexpr std::array<row, 6> kinds{{{"S3", "AES256"},
                                        {"AES256", "AES256"},
                                        {"KMS", "aws:kms"},
                                        {"aws:kms", "aws:kms"},
                                        {"DSSE-KMS", "aws:kms:dsse"},
                                        {"aws:kms:dsse", "aws:kms:dsse"}}};
    auto kind = at.text("ServerSideEncryption");
    into.encryption_key = at.text("ServerSideEncryptionKeyID");
    if (kind.empty())
      return true;
    const auto* found = std::ranges::find_if(
      kinds, [&](const row& x) { return same_ignoring_case(x.name, kind); });
    // Rather none than unencrypted ones.
    if (found == kinds.end())
      return unusable(
        "ServerSideEncryption",
        fmt::format("unknown ServerSideEncryption {}", in_quotes(kind)),
        "write S3, KMS or DSSE-KMS");
    into.encryption = found->header;
    return true;
  }

  bool read_credentials(s3_cache_config& into) const {
    auto type = at.text("AuthenticationType");
    into.access_key = at.text("AccessKey");
    into.secret_key = secret{at.text("SecretKey")};
    into.session_token = secret{at.text("SessionToken")};
    auto given = !is_blank(into.access_key) && !into.secret_key.empty();
    if (!type.empty() && type != "iam" && type != "access-key")
      return unusable(
        "AuthenticationType",
        fmt::format("unknown AuthenticationType {}", in_quotes(type)),
        "write access-key or iam");
    if (type == "access-key" && !given)
      return unusable("AuthenticationType",
                      "AuthenticationType access-key takes AccessKey and "
                      "SecretKey",
                      "write both of them");
    if (given && type != "iam")
      return true;
    if (from_environment(into))
      return true;
    return unusable("AuthenticationType",
                    "credentials of the machine's own role (iam) are taken "
                    "from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY alone, "
                    "which are not set",
                    "write AccessKey and SecretKey, or set these variables "
                    "for muster");
  }

  bool from_environment(s3_cache_config& into) const {
    auto key = variable(options, "AWS_ACCESS_KEY_ID").value_or("");
    auto secret_key = variable(options, "AWS_SECRET_ACCESS_KEY").value_or("");
    if (key.empty() || secret_key.empty())
      return false;
    into.access_key = std::move(key);
    into.secret_key = secret{std::move(secret_key)};
    into.session_token
      = secret{variable(options, "AWS_SESSION_TOKEN").value_or("")};
    return true;
  }

  // -- Google Cloud Storage ---------------------------------------------------

  bool read(gcs_cache_config& into) const {
    into.bucket = at.text("BucketName");
    if (auto domain = at.text("UniverseDomain"); !domain.empty())
      into.universe_domain = std::move(domain);
    if (!required("BucketName", into.bucket))
      return false;
    if (auto file = at.text("CredentialsFile"); !file.empty())
      return read_file(file, into);
    into.access_id = at.text("AccessID");
    auto pem = at.text("PrivateKey");
    // As it stands in a JSON file, in quotes that keep backslashes.
    for (size_t i = 0; (i = pem.find("\\n", i)) != std::string::npos;)
      pem.replace(i, 2, "\n");
    into.private_key = secret{std::move(pem)};
    if (into.access_id.empty() && into.private_key.empty())
      return unusable("CredentialsFile",
                      "the machine's own service account is not supported",
                      "write CredentialsFile, or AccessID and PrivateKey");
    return required("AccessID", into.access_id)
           && check_key("PrivateKey", "PrivateKey", into);
  }

  bool read_file(const std::string& path, gcs_cache_config& into) const {
    auto text = read_source(path);
    if (!text)
      return unusable("CredentialsFile", text.error().text);
    auto json = nlohmann::json::parse(*text, nullptr, false);
    auto field = [&json](const char* name) -> std::string {
      auto found = json.find(name);
      return found != json.end() && found->is_string()
               ? found->get<std::string>()
               : std::string{};
    };
    if (!json.is_object() || field("type") != "service_account")
      return unusable("CredentialsFile",
                      fmt::format("{} is not the JSON file of a service "
                                  "account",
                                  in_quotes(path)));
    into.access_id = field("client_email");
    into.private_key = secret{field("private_key")};
    if (into.access_id.empty())
      return unusable("CredentialsFile",
                      fmt::format("{} has no client_email", in_quotes(path)));
    return check_key("CredentialsFile", "its private_key", into);
  }

  bool check_key(std::string_view name, std::string_view what,
                 const gcs_cache_config& from) const {
    if (is_rsa_key(from.private_key.reveal()))
      return true;
    return unusable(
      name, fmt::format("{} is not an RSA key in PEM", what),
      "it begins with -----BEGIN PRIVATE KEY----- and has no passphrase");
  }

  // -- Azure Blob Storage -----------------------------------------------------

  bool read(azure_cache_config& into) const {
    into.account = at.text("AccountName");
    into.account_key = secret{at.text("AccountKey")};
    into.container = at.text("ContainerName");
    if (auto domain = at.text("StorageDomain"); !domain.empty())
      into.storage_domain = std::move(domain);
    if (!required("AccountName", into.account)
        || !required("ContainerName", into.container))
      return false;
    if (into.account_key.empty())
      return unusable("AccountKey",
                      "the machine's managed identity is not supported",
                      "write AccountKey");
    return is_base64(into.account_key.reveal())
           || unusable("AccountKey", "AccountKey is not base64");
  }
};

/// A prefix that cannot lead out of itself.
std::string object_prefix(const section& at) {
  auto path = at.text("Path");
  std::string clean;
  bool as_written = true;
  for (size_t begin = 0; begin <= path.size();) {
    auto end = std::min(path.find('/', begin), path.size());
    auto part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty())
      continue;
    if (part == "." || part == "..")
      as_written = false;
    else
      clean += (clean.empty() ? "" : "/") + part;
  }
  if (!as_written)
    at.say(severity::warning, "Path",
           fmt::format("Path {} has parts that lead elsewhere: {} is taken",
                       in_quotes(path), in_quotes(clean)));
  return clean;
}

} // namespace

cache_config read_cache(const section& at, const load_options& options) {
  cache_config into;
  into.path = object_prefix(at);
  into.shared = at.flag("Shared");
  into.uploaded_max_bytes
    = at.count("MaxUploadedArchiveSize",
               {.fallback = 0, .max = std::numeric_limits<int64_t>::max()});
  auto type = at.text("Type");
  if (type.empty())
    return into;
  auto read = [&](const char* name, auto& store, cache_type kind) {
    auto child = at.child(name);
    if (!child.exists())
      at.say(severity::warning, "Type",
             fmt::format("Type {} takes a table [runners.cache.{}]{}",
                         in_quotes(type), name, stays));
    else if (store_reader{child, options}.read(store))
      into.type = kind;
  };
  if (type == "s3")
    read("s3", into.s3, cache_type::s3);
  else if (type == "gcs")
    read("gcs", into.gcs, cache_type::gcs);
  else if (type == "azure")
    read("azure", into.azure, cache_type::azure);
  else
    at.say(severity::warning, "Type",
           fmt::format("unknown Type {}{}", in_quotes(type), stays),
           "write s3, gcs or azure");
  return into;
}

} // namespace muster
