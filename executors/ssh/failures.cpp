#include "executors/ssh/failures.hpp"

#include "executors/ssh/wire.hpp"

#include <cerrno>
#include <cstring>

namespace muster::ssh {

namespace {

std::string quoted(const std::string& seen) {
  return seen.empty() ? "" : " (it said \"" + printable(seen) + "\")";
}

const char* name_of(layer x) {
  switch (x) {
    case layer::name:
      return "name: ";
    case layer::turn:
      return "waiting: ";
    case layer::tcp:
      return "tcp: ";
    case layer::banner:
      return "ssh banner: ";
    case layer::key_exchange:
      return "key exchange: ";
    case layer::authentication:
      return "authentication: ";
  }
  return "";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

} // namespace

std::string to_text(milliseconds x) {
  auto ms = x.count();
  if (ms < 1000)
    return std::to_string(ms) + "ms";
  auto text = std::to_string(ms / 1000);
  if (auto tenths = ms % 1000 / 100; tenths != 0)
    text += "." + std::to_string(tenths);
  return text + "s";
}

connection_failure layer_timed_out(layer where, const std::string& at,
                                   milliseconds waited,
                                   const std::string& seen) {
  auto within = " within " + to_text(waited);
  auto text = std::string{name_of(where)};
  switch (where) {
    case layer::name:
      text += "no answer about " + at + " from the name servers" + within
              + ": check this machine's resolver";
      break;
    case layer::turn:
      text += "no turn to connect to " + at + within
              + ": too many handshakes at once";
      break;
    case layer::tcp:
      text += "no answer from " + at + within
              + ": check that the instance runs, its address, routes and "
                "firewalls";
      break;
    case layer::banner:
      text += "nothing from " + at + within + quoted(seen)
              + ": something accepts connections there, but no SSH server "
                "answers";
      break;
    case layer::key_exchange:
      text += "not finished with " + at + within + quoted(seen)
              + ": the server is overloaded or hangs";
      break;
    case layer::authentication:
      text += "no answer from " + at + within
              + ": the server is overloaded, or hangs in its login checks";
      break;
  }
  return {connection_errc::timed_out, text};
}

connection_failure layer_broken(layer where, const std::string& at,
                                const std::string& how,
                                const std::string& seen) {
  auto text = name_of(where) + at + " " + how;
  switch (where) {
    case layer::banner:
      text += " before its banner" + quoted(seen)
              + ": not an SSH server, not up yet, or too many connections "
                "(MaxStartups)";
      break;
    case layer::key_exchange:
      text
        += " during the key exchange" + quoted(seen) + ": see the server's log";
      break;
    case layer::authentication:
      text += " during the login: see the server's log (MaxAuthTries, "
              "AllowUsers, LoginGraceTime)";
      break;
    default:
      break;
  }
  return {connection_errc::handshake_failed, text};
}

connection_failure tcp_failed(const std::string& at, int error_number) {
  std::string text = "tcp: ";
  switch (error_number) {
    case ECONNREFUSED:
      text += "connection refused by " + at
              + ": nothing listens there (yet); check the port and that sshd "
                "runs";
      break;
    case ENETUNREACH:
    case EHOSTUNREACH:
      text += "no route to " + at + ": check the address and the network";
      break;
    case ETIMEDOUT:
      text += "no answer from " + at
              + ": check that the instance runs, its address, routes and "
                "firewalls";
      break;
    default:
      text += "cannot connect to " + at + ": " + std::strerror(error_number);
      break;
  }
  return {connection_errc::unreachable, text};
}

connection_failure host_key_differs(const std::string& at,
                                    const host_key& presented,
                                    const host_key& pinned) {
  auto text = "host key: " + at + " presented " + fingerprint(presented) + " ("
              + printable(presented.type) + ") but " + fingerprint(pinned)
              + " (" + printable(pinned.type)
              + ") is pinned (known since first contact)";
  if (can_be_checked(pinned.type))
    text += ": another machine answers at this address, or it was installed "
            "anew; the instance is refused";
  else
    text += ", of a type that cannot be checked: pin its ed25519 or ecdsa key";
  return {connection_errc::host_key_mismatch, text};
}

connection_failure pinned_key_unreadable(const std::string& at,
                                         std::string_view pinned) {
  return {connection_errc::host_key_mismatch,
          "host key: what is pinned for " + at + " is not a key (\""
            + printable(pinned)
            + "\"): expected TYPE BASE64, as in a .pub file"};
}

connection_failure not_authenticated(const std::string& at,
                                     const std::string& user,
                                     const std::string& credential,
                                     const std::string& methods) {
  auto text = "authentication: user \"" + printable(user) + "\" with "
              + credential + " was refused by " + at;
  if (!methods.empty())
    text += " (it accepts " + printable(methods) + ")";
  text += contains(credential, "key")
            ? ": is its public half in that user's authorized_keys?"
            : ": check user name and password, and that the server allows "
              "password logins";
  return {connection_errc::not_authenticated, text};
}

connection_failure connection_lost(const std::string& at,
                                   const std::string& how) {
  return {connection_errc::lost, "connection to " + at + " lost: " + how};
}

connection_failure stream_refused(const std::string& at,
                                  const std::string& socket_path,
                                  const std::string& reason) {
  auto text = "stream: " + at + " refused to connect to the socket "
              + printable(socket_path) + ": " + printable(reason);
  // OpenSSH answers both with the same words.
  text
    += ": nobody listens on that socket, it is not accessible, or sshd there "
       "forbids it (AllowStreamLocalForwarding, DisableForwarding)";
  return {connection_errc::channel_refused, text};
}

connection_failure exec_refused(const std::string& at,
                                const std::string& reason) {
  return {
    connection_errc::channel_refused,
    "exec: " + at + " refused a session channel: " + printable(reason)
      + ": probably too many at once (sshd's MaxSessions, 10 by default)"};
}

connection_failure exec_timed_out(const std::string& at, milliseconds waited) {
  return {connection_errc::timed_out,
          "exec: the command on " + at + " did not end within "
            + to_text(waited)
            + ": its channel was closed, it may still run there"};
}

} // namespace muster::ssh
