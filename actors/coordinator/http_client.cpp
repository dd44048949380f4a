#include "actors/coordinator/http_client.hpp"

#include "actors/coordinator/server_chain.hpp"
#include "actors/coordinator/stop_switch.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <httplib.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <optional>
#include <strings.h>

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
    case httplib::Error::SSLConnection:
      return "the TLS handshake failed";
    case httplib::Error::SSLLoadingCerts:
      return "the trusted certificates cannot be loaded";
    case httplib::Error::SSLServerVerification:
      return "the server's certificate is not trusted: check the url's host "
             "and "
             "tls-ca-file";
    default:
      return "the request failed";
  }
}

bool is_redirect(int status) {
  return status >= 301 && status <= 308 && status != 304;
}

/// Where a redirect leads, if it may be followed: not out of TLS, since the
/// tokens go along, and only where method and body are kept.
std::optional<url_parts> redirected(const url_parts& from, int status,
                                    const std::string& location) {
  if (status != 307 && status != 308)
    return {};
  if (location.starts_with('/') && !location.starts_with("//")) {
    auto next = from;
    next.path = location;
    return next;
  }
  auto next = parse_url(location);
  if (!next || (from.tls && !next->tls))
    return {};
  return *next;
}

/// A client and what it was made with.
struct link {
  std::unique_ptr<httplib::ClientImpl> client;
  std::shared_ptr<x509_store_st> certificates;
  steady_clock::time_point connected_at;
  steady_clock::time_point used_at;
  bool resolved = false; ///< the name of the last try: it came to a socket
  std::string peer;      ///< host and port, of the proxy if there is one

  void drop() {
    client.reset();
    certificates.reset();
  }
};

using maybe_failure = std::optional<coordinator_failure>;

coordinator_failure unreachable(std::string why) {
  return {coordinator_errc::unreachable, std::move(why)};
}

/// A client certificate that both sides of the handshake can use.
maybe_failure use_client_certificate(SSL_CTX* context,
                                     const http_settings& with) {
  const auto& certificate = with.tls_cert_file;
  const auto& key = with.tls_key_file;
  if (certificate.empty() || key.empty())
    return {};
  auto is_loaded
    = ::SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) == 1
      && ::SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM)
           == 1;
  ::ERR_clear_error();
  if (is_loaded)
    return {};
  return coordinator_failure{
    coordinator_errc::rejected,
    "tls-cert-file " + certificate + " and tls-key-file " + key
      + " cannot be used: check that they are readable PEM files that belong "
        "together"};
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
      if (!next || hop == redirects_max)
        return fail(coordinator_errc::rejected,
                    "redirected to " + location.substr(0, 200)
                      + ", which cannot be followed: check the runner's url");
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
    auto is_too_large = false;
    reply = {};
    request.content_receiver
      = [&](const char* data, size_t size, uint64_t, uint64_t) {
          is_too_large = reply.body.size() + size > what.answer_max;
          if (is_too_large || steady_clock::now() > until)
            return false;
          reply.body.append(data, size);
          return true;
        };
    httplib::Response response;
    auto error = httplib::Error::Success;
    over.resolved = false;
    auto is_done = over.client->send(request, response, error);
    what.body = std::move(request.body); // a redirect sends it again
    over.used_at = steady_clock::now();
    if (!is_done) {
      over.drop();
      if (is_too_large)
        return coordinator_failure{coordinator_errc::bad_answer,
                                   "the answer has more than "
                                     + std::to_string(what.answer_max)
                                     + " bytes"};
      if (error == httplib::Error::Connection)
        return unreachable(over.resolved
                             ? "no connection to " + over.peer
                                 + ": refused or unreachable"
                             : "the host name of " + over.peer
                                 + " cannot be resolved: check it, and DNS");
      return unreachable(text_of(error));
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

  /// Drops a connection that is too old, too long idle, or trusts outdated
  /// certificates.
  void refresh(const url_parts& target, link& x) const {
    if (!x.client)
      return;
    auto now = steady_clock::now();
    auto is_old = with.connection_max_age > milliseconds{0}
                  && now - x.connected_at > with.connection_max_age;
    auto is_idle = now - x.used_at > with.idle_max;
    auto is_outdated
      = target.tls && trusted && trusted->get() != x.certificates;
    if (is_old || is_idle || is_outdated)
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
    to.peer = next.host + ":" + std::to_string(next.port)
              + (*proxy ? " (the proxy)" : "");
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_url_encode(false);
    client.set_connection_timeout(with.connect_timeout);
    client.set_read_timeout(with.read_timeout);
    client.set_write_timeout(with.write_timeout);
    if (!target.user.empty())
      client.set_basic_auth(target.user, target.password);
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
    if (auto failed = use_client_certificate(context, with))
      return failed;
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
