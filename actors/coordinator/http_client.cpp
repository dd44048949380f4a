#include "actors/coordinator/http_client.hpp"

#include "actors/coordinator/server_chain.hpp"
#include "actors/coordinator/stop_switch.hpp"
#include "messages/host_port.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <httplib.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <optional>
#include <poll.h>
#include <strings.h>
#include <tl/expected.hpp>

namespace muster {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int redirects_max = 5;

void keep_alive_probes(int socket) {
  constexpr int on = 1;
  constexpr int seconds = 30;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
}

/// A server that closes while we send must not end the process.
void block_sigpipe() {
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

const char* text_of(httplib::Error error) {
  switch (error) {
    case httplib::Error::ConnectionTimeout:
      return "no connection in time";
    case httplib::Error::Read:
      return "the connection broke or stalled before the whole answer came";
    case httplib::Error::Write:
      return "the connection broke while the request was sent";
    case httplib::Error::Canceled:
      return "the answer did not end in time";
    case httplib::Error::SSLLoadingCerts:
      return "the trusted certificates cannot be loaded";
    default:
      return "the request failed";
  }
}

bool is_redirect(int status) {
  return status >= 301 && status <= 308 && status != 304;
}

bool same_host(const url_parts& a, const url_parts& b) {
  return a.host.size() == b.host.size()
         && ::strncasecmp(a.host.data(), b.host.data(), a.host.size()) == 0;
}

/// Where a redirect leads, if it may be followed. The tokens go along, in
/// headers and body: so not to another host, and not out of TLS. All but 303
/// keep method and body: a request for a job is none for a page.
tl::expected<url_parts, std::string>
redirected(const url_parts& from, int status, const std::string& location) {
  auto refused = [&](const char* why) {
    return tl::unexpected{"redirected to " + location.substr(0, 200) + ", "
                          + why};
  };
  if (location.empty())
    return tl::unexpected{std::string{"redirected to nowhere: check the "
                                      "runner's url"}};
  if (status > 302 && status < 307)
    return refused("which is no API: check the runner's url");
  if (location.starts_with('/') && !location.starts_with("//")) {
    auto next = from;
    next.path = location;
    return next;
  }
  auto next = parse_url(location);
  if (!next)
    return refused("which is no URL that can be used");
  if (from.tls && !next->tls)
    return refused("out of TLS: the token is not sent there");
  if (!same_host(from, *next))
    return refused("another host: the token is not sent there. If that is "
                   "your GitLab, write its address as the runner's url");
  return *next;
}

/// A place in an SSL_CTX for our own data.
int flag_index() {
  static const int index
    = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// The server asks for a client certificate, and there is none.
int note_wish(SSL* tls, X509**, EVP_PKEY**) {
  auto* flag = ::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(tls), flag_index());
  *static_cast<bool*>(flag) = true;
  return 0; // goes on without
}

/// A server has nothing to say between two calls: what can be read then is its
/// end. cpp-httplib knows that but of one without TLS's close_notify, and the
/// call would fail.
bool has_ended(int socket) {
  pollfd x{socket, POLLIN, 0}; // ignored if it is -1, as after a last answer
  return ::poll(&x, 1, 0) > 0;
}

/// A client and what it was made with.
struct link {
  std::unique_ptr<httplib::ClientImpl> client;
  httplib::SSLClient* tls = nullptr; ///< the same client, if it speaks TLS
  std::shared_ptr<x509_store_st> certificates;
  std::shared_ptr<const client_identity> identity;
  bool lacks_identity = false; ///< the server asked for a client certificate
  std::optional<url_parts> proxy;
  steady_clock::time_point connected_at;
  steady_clock::time_point used_at;
  bool resolved = false; ///< the name of the last try: it came to a socket
  std::string peer;      ///< host and port, of the proxy if there is one

  void drop() {
    client.reset();
    tls = nullptr;
    certificates.reset();
    identity.reset();
  }
};

using maybe_failure = std::optional<coordinator_failure>;

coordinator_failure unreachable(std::string why) {
  return {coordinator_errc::unreachable, std::move(why)};
}

/// What OpenSSL noted first in this thread, which is the cause of the rest;
/// empty if nothing.
std::string first_tls_error() {
  auto code = ::ERR_peek_error();
  const auto* text = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return text == nullptr ? "" : text;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// Why the server's certificate was not accepted, and what to do.
std::string distrust(long verify_result, const url_parts& target) {
  if (verify_result == X509_V_OK)
    return "the server's certificate is for another host than " + target.host
           + ": check the runner's url, or the certificate";
  auto text = std::string{"the server's certificate is not trusted ("}
              + ::X509_verify_cert_error_string(verify_result) + "): ";
  if (verify_result == X509_V_ERR_CERT_HAS_EXPIRED
      || verify_result == X509_V_ERR_CERT_NOT_YET_VALID)
    return text + "renew it there, or set this machine's clock";
  return text
         + "name the certificate of who signed it in tls-ca-file, or put it "
           "into the certs folder as "
         + target.host + ".crt";
}

constexpr auto wanted_certificate
  = ": the server asks for a client certificate, which tls-cert-file and "
    "tls-key-file can name";

/// Why there is no TLS connection.
std::string handshake_failure(const link& over) {
  auto said = first_tls_error();
  std::string text = "the TLS handshake failed";
  if (!said.empty())
    text += " (" + said + ")";
  if (over.proxy)
    return text + ": does the proxy " + origin_text(*over.proxy)
           + " allow CONNECT to this host and port?";
  if (contains(said, "wrong version number") || contains(said, "http request"))
    return text + ": is the url's port one for https?";
  if (contains(said, "protocol version")
      || contains(said, "unsupported protocol"))
    return text + ": the server must allow TLS 1.2 or newer";
  if (over.lacks_identity)
    return text + wanted_certificate;
  return text;
}

/// What went wrong with a call, for people. A server that wants a client
/// certificate may tell so only when the answer is read.
std::string failure_text(httplib::Error error, const link& over,
                         const url_parts& target) {
  if (error == httplib::Error::SSLServerVerification && over.tls != nullptr)
    return distrust(over.tls->get_openssl_verify_result(), target);
  if (error == httplib::Error::SSLConnection)
    return handshake_failure(over);
  if (error == httplib::Error::Connection)
    return over.resolved
             ? "no connection to " + over.peer + ": refused or unreachable"
             : "the host name of " + over.peer
                 + " cannot be resolved: check it, and DNS";
  std::string text = text_of(error);
  auto said = over.tls == nullptr ? "" : first_tls_error();
  if (contains(said, "alert"))
    text += " (" + said + ")";
  return over.lacks_identity ? text + wanted_certificate : text;
}

} // namespace

std::string_view http_reply::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key.size() == name.size()
        && ::strncasecmp(key.data(), name.data(), name.size()) == 0)
      return value;
  return {};
}

struct http_client::impl {
  impl(http_settings settings, url_parts where,
       std::shared_ptr<certificate_store> certificates)
    : with(std::move(settings)),
      base(std::move(where)),
      trusted(std::move(certificates)) {
  }

  result<http_reply, coordinator_errc> send(http_call& what) {
    auto target = base;
    target.path += what.path;
    http_reply reply;
    auto failed = send_to(target, what, kept, reply);
    for (auto hop = 0; !failed && is_redirect(reply.status); ++hop) {
      std::string location{reply.header("Location")};
      auto next = redirected(target, reply.status, location);
      if (!next)
        return fail(coordinator_errc::rejected, next.error());
      if (hop == redirects_max)
        return fail(coordinator_errc::rejected,
                    "redirected more than " + std::to_string(redirects_max)
                      + " times: check the runner's url");
      target = std::move(*next);
      // The switch watches one connection; the kept one starts anew later.
      kept.drop();
      link once;
      failed = send_to(target, what, once, reply);
    }
    if (off.stopped())
      return fail(coordinator_errc::stopped, "this manager is stopping");
    if (failed)
      return tl::unexpected{*failed};
    return reply;
  }

  maybe_failure send_to(const url_parts& target, http_call& what, link& over,
                        http_reply& reply) {
    try {
      refresh(target, over);
      if (!over.client)
        if (auto failed = open(target, over))
          return failed;
      if (off.stopped())
        return unreachable("stopped");
      return transfer(target, what, over, reply);
    } catch (const std::exception& e) {
      over.drop();
      return unreachable(e.what());
    }
  }

  maybe_failure transfer(const url_parts& target, http_call& what, link& over,
                         http_reply& reply) {
    auto request = make_request(target, what);
    auto until = steady_clock::now() + with.request_timeout;
    reply = {};
    request.content_receiver
      = [&](const char* data, size_t size, uint64_t, uint64_t) {
          if (steady_clock::now() > until)
            return false;
          auto room = what.answer_max - reply.body.size();
          reply.is_cut = size > room;
          reply.body.append(data, std::min(size, room));
          return !reply.is_cut;
        };
    httplib::Response response;
    auto error = httplib::Error::Success;
    over.resolved = false;
    ::ERR_clear_error();
    auto is_done = over.client->send(request, response, error);
    what.body = std::move(request.body); // a redirect sends it again
    over.used_at = steady_clock::now();
    if (!is_done) {
      auto why = failure_text(error, over, target);
      over.drop();
      if (!reply.is_cut) // else status and headers are there, which decide
        return unreachable(std::move(why));
    }
    if (response.status == 407 && over.proxy) {
      auto proxy = origin_text(*over.proxy);
      over.drop();
      return coordinator_failure{
        coordinator_errc::rejected,
        "the proxy " + proxy
          + " wants other credentials (407): write "
            "them into "
          + (target.tls ? "HTTPS_PROXY" : "HTTP_PROXY")};
    }
    reply.status = response.status;
    reply.headers.assign(response.headers.begin(), response.headers.end());
    return {};
  }

  httplib::Request make_request(const url_parts& target,
                                http_call& what) const {
    httplib::Request request;
    request.method = what.method;
    request.path = target.path;
    request.set_header("Host", host_header(target));
    request.set_header("User-Agent", with.user_agent);
    for (const auto& [key, value] : what.headers)
      request.set_header(key, value);
    request.body = std::move(what.body);
    return request;
  }

  /// Drops a connection that is too old, too long idle, ended by the server, or
  /// trusts outdated certificates.
  void refresh(const url_parts& target, link& x) const {
    if (!x.client)
      return;
    auto now = steady_clock::now();
    auto is_old = with.connection_max_age > milliseconds{0}
                  && now - x.connected_at > with.connection_max_age;
    auto is_idle = now - x.used_at > with.idle_max;
    auto is_outdated = target.tls && trusted
                       && (trusted->get() != x.certificates
                           || trusted->identity() != x.identity);
    if (is_old || is_idle || is_outdated || has_ended(x.client->socket()))
      x.drop();
  }

  maybe_failure open(const url_parts& target, link& to) {
    auto proxy = proxy_for(target, with.proxies);
    if (!proxy)
      return proxy.error();
    if (!target.tls)
      to.client
        = std::make_unique<httplib::ClientImpl>(target.host, target.port);
    else if (auto failed = open_tls(target, to))
      return failed;
    auto& client = *to.client;
    const auto& next = *proxy ? **proxy : target;
    to.peer = bracketed(next.host) + ":" + std::to_string(next.port)
              + (*proxy ? " (the proxy)" : "");
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_url_encode(false);
    client.set_connection_timeout(with.connect_timeout);
    client.set_read_timeout(with.read_timeout);
    client.set_write_timeout(with.write_timeout);
    if (!target.user.empty())
      client.set_basic_auth(target.user, target.password);
    to.proxy = *proxy;
    if (*proxy) {
      client.set_proxy((*proxy)->host, (*proxy)->port);
      if (!(*proxy)->user.empty())
        client.set_proxy_basic_auth((*proxy)->user, (*proxy)->password);
    }
    client.set_socket_options([this, &to](int socket) {
      keep_alive_probes(socket);
      off.watch(socket);
      to.resolved = true;
      to.connected_at = steady_clock::now();
    });
    return {};
  }

  maybe_failure open_tls(const url_parts& target, link& to) {
    auto client
      = std::make_unique<httplib::SSLClient>(target.host, target.port);
    auto* context = client->ssl_context();
    to.certificates = trusted ? trusted->get() : nullptr;
    if (context == nullptr || !to.certificates)
      return unreachable("OpenSSL cannot be set up");
    ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    ::X509_STORE_up_ref(to.certificates.get()); // the client takes it over
    client->set_ca_cert_store(to.certificates.get());
    client->set_ca_cert_path({}, ::X509_get_default_cert_dir());
    chain.watch(context);
    to.identity = trusted->identity();
    if (to.identity && !to.identity->use_in(*context))
      return unreachable("OpenSSL does not take the client certificate");
    to.lacks_identity = false;
    ::SSL_CTX_set_ex_data(context, flag_index(), &to.lacks_identity);
    ::SSL_CTX_set_client_cert_cb(context, note_wish);
    to.tls = client.get();
    to.client = std::move(client);
    return {};
  }

  const http_settings with;
  const url_parts base;
  const std::shared_ptr<certificate_store> trusted;
  stop_switch off;
  server_chain chain; ///< outlives the links, whose contexts it watches
  link kept;
};

http_client::http_client(http_settings with, url_parts base,
                         std::shared_ptr<certificate_store> trusted)
  : impl_(std::make_unique<impl>(std::move(with), std::move(base),
                                 std::move(trusted))) {
}

http_client::~http_client() = default;

result<http_reply, coordinator_errc> http_client::send(http_call what) {
  block_sigpipe();
  return impl_->send(what);
}

const std::string& http_client::server_chain_pem() const {
  return impl_->chain.pem();
}

void http_client::stop() {
  impl_->off.stop();
}

} // namespace muster
