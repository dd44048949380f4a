#include "executors/ssh/auth.hpp"

#include <cstdlib>
#include <cstring>

namespace muster::ssh {

namespace {

/// What the sign callback needs.
struct signing {
  const private_key* key;
  const std::string* algorithm;
};

/// libssh2 takes memory of `malloc`, and gives it back to our `release`.
char* copied(const std::string& bytes) {
  auto* copy = static_cast<char*>(std::malloc(bytes.size() + 1));
  if (copy != nullptr)
    std::memcpy(copy, bytes.c_str(), bytes.size() + 1);
  return copy;
}

int on_sign(LIBSSH2_SESSION*, unsigned char** signature, size_t* size,
            const unsigned char* data, size_t data_size, void** abstract) {
  const auto& with = *static_cast<const signing*>(*abstract);
  auto made = with.key->sign(*with.algorithm,
                             {reinterpret_cast<const char*>(data), data_size});
  if (!made)
    return -1;
  *signature = reinterpret_cast<unsigned char*>(copied(*made));
  *size = made->size();
  return *signature == nullptr ? -1 : 0;
}

void on_prompts(const char*, int, const char*, int, int prompts_count,
                const LIBSSH2_USERAUTH_KBDINT_PROMPT*,
                LIBSSH2_USERAUTH_KBDINT_RESPONSE* responses, void** abstract) {
  const auto& password = static_cast<handle*>(*abstract)->password;
  for (int i = 0; i < prompts_count; ++i) {
    responses[i].text = copied(password);
    responses[i].length = responses[i].text == nullptr
                            ? 0
                            : static_cast<unsigned int>(password.size());
  }
}

bool lists(const std::string& methods, const char* name) {
  return ("," + methods + ",").find("," + std::string{name} + ",")
         != std::string::npos;
}

/// Codes that mean "no" to a credential, not the end of the session.
bool is_refusal(int code) {
  return code == LIBSSH2_ERROR_AUTHENTICATION_FAILED
         || code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
         || code == LIBSSH2_ERROR_PASSWORD_EXPIRED;
}

} // namespace

authenticator::authenticator(handle& on, std::string user, shared_key key)
  : on_{on},
    user_{std::move(user)},
    key_{std::move(key)} {
}

authenticator::outcome authenticator::step() {
  switch (stage_) {
    case stage::start:
      stage_ = key_ ? stage::key : stage::methods;
      return step();
    case stage::key:
      return step_key();
    case stage::methods:
      return step_methods();
    case stage::password:
      return step_password();
    case stage::interactive:
      return step_interactive();
  }
  return outcome::broken;
}

std::string authenticator::credential() const {
  return key_ ? key_->description() : "a password";
}

authenticator::outcome authenticator::step_key() {
  const auto& algorithms = key_->algorithms();
  while (algorithm_ < algorithms.size()) {
    if (blob_.empty())
      blob_ = key_->public_blob(algorithms[algorithm_]);
    signing with{key_.get(), &algorithms[algorithm_]};
    void* abstract = &with;
    auto code = libssh2_userauth_publickey(
      on_.get(), user_.c_str(),
      reinterpret_cast<const unsigned char*>(blob_.data()), blob_.size(),
      on_sign, &abstract);
    if (code == 0)
      return outcome::done;
    if (code == LIBSSH2_ERROR_EAGAIN)
      return outcome::waiting;
    if (!is_refusal(code) || !on_.disconnect_text.empty())
      return outcome::broken;
    ++algorithm_;
    blob_.clear();
  }
  stage_ = stage::methods; // for the text of the failure
  return step_methods();
}

authenticator::outcome authenticator::step_methods() {
  auto size = static_cast<unsigned int>(user_.size());
  auto* list = libssh2_userauth_list(on_.get(), user_.c_str(), size);
  if (list != nullptr) {
    methods_ = list;
    if (key_)
      return outcome::refused;
    stage_ = lists(methods_, "password") ? stage::password : stage::interactive;
    return step();
  }
  if (libssh2_session_last_errno(on_.get()) == LIBSSH2_ERROR_EAGAIN)
    return outcome::waiting;
  if (libssh2_userauth_authenticated(on_.get()) != 0)
    return outcome::done; // the server wants no credential at all
  return key_ ? outcome::refused : outcome::broken;
}

authenticator::outcome authenticator::step_password() {
  auto code = libssh2_userauth_password_ex(
    on_.get(), user_.c_str(), static_cast<unsigned int>(user_.size()),
    on_.password.c_str(), static_cast<unsigned int>(on_.password.size()),
    nullptr);
  if (code == 0)
    return outcome::done;
  if (code == LIBSSH2_ERROR_EAGAIN)
    return outcome::waiting;
  if (!is_refusal(code))
    return outcome::broken;
  stage_ = stage::interactive;
  return step_interactive();
}

authenticator::outcome authenticator::step_interactive() {
  if (!lists(methods_, "keyboard-interactive"))
    return outcome::refused;
  auto code = libssh2_userauth_keyboard_interactive_ex(
    on_.get(), user_.c_str(), static_cast<unsigned int>(user_.size()),
    on_prompts);
  if (code == 0)
    return outcome::done;
  if (code == LIBSSH2_ERROR_EAGAIN)
    return outcome::waiting;
  return is_refusal(code) ? outcome::refused : outcome::broken;
}

} // namespace muster::ssh
