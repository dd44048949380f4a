#include "actors/coordinator/runner_token.hpp"

#include <utility>

namespace muster {

runner_token::runner_token(token_origin from)
  : from_(std::move(from)),
    kept_(from_.state_dir),
    now_{from_.token, from_.obtained_at.value_or(unix_time{}),
         from_.expires_at},
    written_(from_.token) {
  if (auto kept = kept_.find(from_.url, from_.token))
    now_ = std::move(*kept);
}

secret runner_token::token() const {
  std::lock_guard guard{mutex_};
  return now_.token;
}

std::optional<unix_time> runner_token::obtained_at() const {
  std::lock_guard guard{mutex_};
  return now_.obtained_at.seconds > 0 ? std::optional{now_.obtained_at}
                                      : std::nullopt;
}

std::optional<unix_time> runner_token::expires_at() const {
  std::lock_guard guard{mutex_};
  return now_.expires_at;
}

bool runner_token::is_literal() const {
  std::lock_guard guard{mutex_};
  return from_.is_literal;
}

secret runner_token::written() const {
  std::lock_guard guard{mutex_};
  return written_;
}

bool runner_token::reread(const token_origin& found) {
  std::lock_guard guard{mutex_};
  from_.url = found.url;
  from_.is_literal = found.is_literal;
  if (found.token == written_ && found.token != now_.token)
    return false; // ours is still to be written
  written_ = found.token;
  if (found.token == now_.token) {
    if (found.obtained_at)
      now_.obtained_at = *found.obtained_at;
    now_.expires_at = found.expires_at;
    return false;
  }
  if (replaced_.count(found.token) > 0)
    return false;
  now_
    = {found.token, found.obtained_at.value_or(unix_time{}), found.expires_at};
  return true;
}

bool runner_token::is_saved() const {
  std::lock_guard guard{mutex_};
  return now_.token == written_;
}

void runner_token::replace(fresh_token fresh) {
  std::lock_guard guard{mutex_};
  replaced_.insert(now_.token);
  now_ = std::move(fresh);
}

std::string runner_token::save() {
  std::lock_guard alone{saving_};
  std::unique_lock guard{mutex_};
  auto fresh = now_;
  auto old = written_;
  auto from = from_;
  guard.unlock();
  if (fresh.token == old)
    return {};
  auto done = write_token(from.config_path, from.url, old, fresh);
  if (!done) {
    auto file = kept_.keep(from.url, old, fresh);
    return done.error().text
           + (file ? "; the new token is kept in " + *file
                   : "; it is kept in memory only: " + file.error().text);
  }
  kept_.drop(from.url, old);
  guard.lock();
  written_ = fresh.token;
  return {};
}

} // namespace muster
