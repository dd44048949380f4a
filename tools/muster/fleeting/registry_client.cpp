#include "tools/muster/fleeting/registry_client.hpp"

#include "config/diagnostic.hpp"
#include "config/log.hpp"
#include "config/version.hpp"
#include "executors/cache/digest.hpp"
#include "executors/helper/archive/bytes.hpp"
#include "providers/fleeting/registry/tags.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <thread>
#include <unistd.h>

namespace muster::fleeting {

namespace {

using namespace std::chrono_literals;
using helper::http_answer;
using helper::http_request;
using helper::url;

constexpr size_t document_bytes_max = 4u << 20; ///< OCI's limit for manifests
constexpr size_t tags_max = 100'000;
constexpr int pages_max = 1000;
constexpr int tries_max = 3;

constexpr auto first_pause = 1s;
constexpr auto pause_max = 30s; ///< that a server may ask for

constexpr helper::http_timeouts for_documents{60s, 30s, 30s};
constexpr helper::http_timeouts for_files{1h, 30s, 60s};

helper::tls_settings trust() {
  helper::tls_settings out;
  out.advice = "if it has an authority of its own, add that to the system's, "
               "or name a file with it in SSL_CERT_FILE";
  return out;
}

tl::unexpected<failure<provider_errc>> failed(std::string why) {
  return fail(provider_errc::call_failed, std::move(why));
}

bool may_work_later(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503
         || status == 504;
}

std::chrono::seconds pause_after(const helper::response_head* head, int tries) {
  auto pause = std::chrono::seconds{first_pause} * (1 << tries);
  if (head == nullptr)
    return pause;
  auto text = head->header("Retry-After").value_or("");
  int seconds = 0;
  auto [end, bad]
    = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (bad == std::errc{} && end == text.data() + text.size() && seconds >= 0)
    pause = std::min(std::chrono::seconds{seconds}, pause_max);
  return pause;
}

/// Reads a body whole. Errors: `call_failed`, also for one that is too long.
result<std::string, provider_errc> body_of(http_answer& from) {
  std::string body;
  char piece[16384];
  for (;;) {
    auto n = from.read(piece, sizeof(piece));
    if (!n)
      return failed(n.error().text);
    if (*n == 0)
      return body;
    body.append(piece, *n);
    if (body.size() > document_bytes_max)
      return failed(fmt::format("an answer is longer than {} MiB",
                                document_bytes_max >> 20));
  }
}

std::string digest_of(std::string_view bytes) {
  return "sha256:" + hex_of(sha256(bytes));
}

/// SHA-256 of what is never in memory as a whole.
class running_digest {
public:
  running_digest() {
    ::EVP_DigestInit_ex(context_.get(), ::EVP_sha256(), nullptr);
  }

  void add(std::string_view bytes) {
    ::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }

  std::string text() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    ::EVP_DigestFinal_ex(context_.get(), bytes, &size);
    return "sha256:" + hex_of({reinterpret_cast<const char*>(bytes), size});
  }

private:
  std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context_{
    ::EVP_MD_CTX_new(), ::EVP_MD_CTX_free};
};

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::write(file, bytes.data(), bytes.size());
    if (n > 0)
      bytes.remove_prefix(static_cast<size_t>(n));
    else if (n == 0 || errno != EINTR)
      return false;
  }
  return true;
}

std::vector<challenge> challenges_in(const helper::response_head& head) {
  std::vector<challenge> out;
  for (const auto& [name, value] : head.headers) {
    auto same = [](unsigned char a, unsigned char b) {
      return std::tolower(a) == std::tolower(b);
    };
    constexpr std::string_view wanted = "WWW-Authenticate";
    if (std::equal(name.begin(), name.end(), wanted.begin(), wanted.end(),
                   same))
      std::ranges::move(parse_challenges(value), std::back_inserter(out));
  }
  return out;
}

const challenge* find_scheme_in(const std::vector<challenge>& all,
                                std::string_view scheme) {
  auto at = std::ranges::find(all, scheme, &challenge::scheme);
  return at == all.end() ? nullptr : &*at;
}

std::string parameter(const challenge& in, const std::string& name) {
  auto at = in.parameters.find(name);
  return at == in.parameters.end() ? "" : at->second;
}

std::string basic(const registry_user& user) {
  return "Basic " + base64_of(user.name + ":" + user.password.reveal());
}

http_request request_to(const url& what) {
  http_request out;
  out.to = what;
  out.headers.emplace_back("User-Agent", std::string{"muster/"} + version_text);
  return out;
}

/// What asks for a token: with a name and a password in the URL and a header,
/// with an identity token as a form.
http_request token_request(const url& realm, const std::string& service,
                           const std::string& scope,
                           const registry_user& user) {
  auto out = request_to(realm);
  auto query = "service=" + percent_encoded(service)
               + "&scope=" + percent_encoded(scope);
  if (user.identity_token.empty()) {
    auto has_query = realm.target.find('?') != std::string::npos;
    out.to.target += (has_query ? "&" : "?") + query;
    if (user.is_known())
      out.secret_headers.emplace_back("Authorization", basic(user));
    return out;
  }
  auto form
    = "grant_type=refresh_token&client_id=muster&" + query
      + "&refresh_token=" + percent_encoded(user.identity_token.reveal());
  out.method = "POST";
  out.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  out.body = [form](helper::byte_sink& to) { return to.write(form); };
  out.body_bytes = form.size();
  return out;
}

} // namespace

bool is_loopback(const std::string& host) {
  in6_addr v6{};
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1)
    return ntohl(v4.s_addr) >> 24 == 127;
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

registry_client::registry_client(std::string registry, std::string repository,
                                 std::function<registry_user()> user)
  : registry_(std::move(registry)),
    repository_(std::move(repository)),
    find_user_(std::move(user)),
    documents_(trust(), for_documents),
    files_(trust(), for_files) {
  // Docker's own, whose API has another name.
  if (registry_ == "docker.io") {
    registry_ = "index.docker.io";
    if (repository_.find('/') == std::string::npos)
      repository_ = "library/" + repository_;
  }
}

const registry_user& registry_client::user() {
  if (!user_)
    user_ = find_user_();
  return *user_;
}

url registry_client::url_of(const std::string& path) const {
  auto out = *base_;
  out.target = "/v2/" + repository_ + "/" + path;
  return out;
}

failure<provider_errc>
registry_client::in_registry(failure<provider_errc> x) const {
  x.text = fmt::format("{}/{}: {}", registry_, repository_, x.text);
  return x;
}

failure<provider_errc> registry_client::refusal(answer& from) const {
  auto status = from.head().status;
  auto words = one_line(from.explanation());
  auto text = one_line(from.head().status_line())
              + (words.empty() ? "" : " (" + words + ")");
  if (status == 404)
    return {provider_errc::not_found, text};
  if (status != 401 && status != 403)
    return {provider_errc::call_failed, text};
  auto known = user_ && user_->is_known();
  return {provider_errc::not_available,
          fmt::format("{}: {}; `muster fleeting login {}`", text,
                      known ? "there is no such repository, or the user that "
                              "is logged in may not read it"
                            : "there is no such repository, or it wants a user",
                      registry_)};
}

/// On this machine a registry without TLS is asked first whether it is one.
result<void, provider_errc> registry_client::find_scheme() {
  if (base_)
    return {};
  auto secure = helper::parse_url("https://" + registry_ + "/");
  if (!secure)
    return fail(provider_errc::bad_config, "this is no name of a registry");
  if (is_loopback(secure->host)) {
    auto plain = *helper::parse_url("http://" + registry_ + "/v2/");
    auto answered = documents_.send(request_to(plain));
    // What speaks TLS answers 400 to this, or hangs up.
    if (answered && answered->head().status != 400) {
      base_ = std::move(plain);
      return {};
    }
  }
  base_ = std::move(*secure);
  return {};
}

result<void, provider_errc>
registry_client::fetch_token(const challenge& what) {
  auto realm = helper::parse_url(parameter(what, "realm"));
  if (!realm)
    return fail(provider_errc::call_failed,
                "it names no server that gives tokens");
  // Passwords go there.
  if (!realm->tls && (base_->tls || !is_loopback(realm->host)))
    return fail(provider_errc::not_available,
                fmt::format("it sends us to {} for a token, where anybody "
                            "could listen: not without TLS",
                            helper::shown(*realm)));
  auto scope = parameter(what, "scope");
  if (scope.empty())
    scope = "repository:" + repository_ + ":pull";
  auto answered = documents_.send(
    token_request(*realm, parameter(what, "service"), scope, user()));
  if (!answered)
    return failed(answered.error().text);
  auto at = [&](failure<provider_errc> x) {
    x.text = helper::shown(*realm) + ": " + x.text;
    return tl::unexpected{std::move(x)};
  };
  if (answered->head().status != 200)
    return at(refusal(*answered));
  auto body = body_of(*answered);
  if (!body)
    return at(body.error());
  auto in = nlohmann::json::parse(*body, nullptr, false);
  for (const auto* key : {"token", "access_token"})
    if (in.is_object() && in.contains(key) && in[key].is_string()) {
      authorization_ = secret{"Bearer " + in[key].get<std::string>()};
      return {};
    }
  return at({provider_errc::call_failed, "its answer has no token"});
}

result<void, provider_errc>
registry_client::authenticate(const helper::response_head& head) {
  auto offers = challenges_in(head);
  if (const auto* bearer = find_scheme_in(offers, "bearer"))
    return fetch_token(*bearer);
  if (find_scheme_in(offers, "basic") == nullptr)
    return fail(provider_errc::not_available,
                "it wants a way to authenticate that muster does not have");
  if (user().name.empty())
    return fail(
      provider_errc::not_available,
      fmt::format("it wants a user: `muster fleeting login {}`", registry_));
  authorization_ = secret{basic(user())};
  return {};
}

result<registry_client::answer, provider_errc>
registry_client::send(const url& what, const std::string& accept,
                      helper::http_client& by) {
  auto request = request_to(what);
  if (!accept.empty())
    request.headers.emplace_back("Accept", accept);
  for (int tries = 0;; ++tries) {
    request.secret_headers.clear();
    // Pages of a list may be elsewhere.
    if (!authorization_.empty() && helper::same_origin(what, *base_))
      request.secret_headers.emplace_back("Authorization",
                                          authorization_.reveal());
    auto answered = by.send(request);
    if (!answered && answered.error().code == helper::transfer_errc::hopeless)
      return fail(provider_errc::not_available, answered.error().text);
    auto later = !answered || may_work_later(answered->head().status);
    if (!later)
      return std::move(*answered);
    auto why = answered ? refusal(*answered)
                        : failure<provider_errc>{provider_errc::call_failed,
                                                 answered.error().text};
    if (tries + 1 == tries_max)
      return tl::unexpected{std::move(why)};
    auto pause = pause_after(answered ? &answered->head() : nullptr, tries);
    log::debug("the registry is asked again",
               {{"registry", registry_}, {"err", why.text}});
    std::this_thread::sleep_for(pause);
  }
}

result<registry_client::answer, provider_errc>
registry_client::get(const url& what, const std::string& accept,
                     helper::http_client& by) {
  auto answered = send(what, accept, by);
  // A token is good for some minutes.
  if (answered && answered->head().status == 401) {
    if (auto done = authenticate(answered->head()); !done)
      return tl::unexpected{done.error()};
    answered = send(what, accept, by);
  }
  if (answered && answered->head().status != 200)
    return tl::unexpected{refusal(*answered)};
  return answered;
}

result<manifest_text, provider_errc>
registry_client::get_manifest(const std::string& name) {
  auto at = [this](failure<provider_errc> x) {
    return tl::unexpected{in_registry(std::move(x))};
  };
  if (auto known = find_scheme(); !known)
    return at(known.error());
  auto answered = get(url_of("manifests/" + name), manifest_types, documents_);
  if (!answered && answered.error().code == provider_errc::not_found)
    return at({provider_errc::not_found,
               fmt::format("there is no {}: {}", name, answered.error().text)});
  if (!answered)
    return at(answered.error());
  auto body = body_of(*answered);
  if (!body)
    return at(body.error());
  auto wanted
    = is_digest(name)
        ? name
        : answered->head().header("Docker-Content-Digest").value_or("");
  if (is_digest(wanted) && digest_of(*body) != wanted)
    return at({provider_errc::call_failed,
               fmt::format("what came for {} has another digest: {}, not {}",
                           name, digest_of(*body), wanted)});
  return manifest_text{std::move(*body),
                       answered->head().header("Content-Type").value_or("")};
}

result<std::string, provider_errc>
registry_client::get_text(const descriptor& what) {
  auto at = [this](failure<provider_errc> x) {
    return tl::unexpected{in_registry(std::move(x))};
  };
  if (auto known = find_scheme(); !known)
    return at(known.error());
  auto answered = get(url_of("blobs/" + what.digest), "", documents_);
  if (!answered)
    return at(answered.error());
  auto body = body_of(*answered);
  if (!body)
    return at(body.error());
  if (digest_of(*body) != what.digest)
    return at({provider_errc::call_failed,
               fmt::format("what came for {} has another digest: {}",
                           what.digest, digest_of(*body))});
  return *body;
}

result<void, provider_errc>
registry_client::get_file_once(const descriptor& what, int file) {
  auto answered = get(url_of("blobs/" + what.digest), "", files_);
  if (!answered)
    return tl::unexpected{answered.error()};
  running_digest digest;
  uint64_t size = 0;
  std::vector<char> piece(helper::piece_bytes);
  for (;;) {
    auto n = answered->read(piece.data(), piece.size());
    if (!n)
      return failed(fmt::format("{} was cut off after {} of {} bytes: {}",
                                what.digest, size, what.size_bytes,
                                n.error().text));
    if (*n == 0)
      break;
    size += *n;
    if (size > what.size_bytes)
      return fail(provider_errc::not_available,
                  fmt::format("{} is longer than the {} bytes that its "
                              "manifest says",
                              what.digest, what.size_bytes));
    digest.add({piece.data(), *n});
    if (!write_all(file, {piece.data(), *n}))
      return fail(provider_errc::not_available,
                  fmt::format("{} cannot be written to disk: {}", what.digest,
                              std::strerror(errno)));
  }
  if (size < what.size_bytes)
    return failed(fmt::format("{} was cut off after {} of {} bytes",
                              what.digest, size, what.size_bytes));
  if (auto found = digest.text(); found != what.digest)
    return fail(provider_errc::not_available,
                fmt::format("what came for {} has another digest: {}",
                            what.digest, found));
  return {};
}

result<void, provider_errc> registry_client::get_file(const descriptor& what,
                                                      int file) {
  if (auto known = find_scheme(); !known)
    return tl::unexpected{in_registry(known.error())};
  for (int tries = 1;; ++tries) {
    auto done = get_file_once(what, file);
    if (done)
      return done;
    if (done.error().code != provider_errc::call_failed || tries == tries_max
        || ::ftruncate(file, 0) != 0 || ::lseek(file, 0, SEEK_SET) != 0)
      return tl::unexpected{in_registry(done.error())};
  }
}

result<std::vector<std::string>, provider_errc> registry_client::get_tags() {
  auto at = [this](failure<provider_errc> x) {
    return tl::unexpected{in_registry(std::move(x))};
  };
  if (auto known = find_scheme(); !known)
    return at(known.error());
  std::vector<std::string> out;
  auto page = url_of("tags/list?n=1000");
  for (int pages = 0; pages < pages_max && out.size() < tags_max; ++pages) {
    auto answered = get(page, "application/json", documents_);
    if (!answered)
      return at(answered.error());
    auto body = body_of(*answered);
    auto tags = body ? parse_tags(*body) : tl::unexpected{body.error()};
    if (!tags)
      return at(tags.error());
    std::ranges::move(*tags, std::back_inserter(out));
    auto next = next_page(answered->head().header("Link").value_or(""));
    auto to = next.empty() ? std::nullopt : helper::resolved(page, next);
    if (!to || !helper::same_origin(*to, *base_))
      return out;
    page = std::move(*to);
  }
  return at({provider_errc::call_failed, "its list of tags has no end"});
}

} // namespace muster::fleeting
