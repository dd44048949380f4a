#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <caf/error.hpp>
#include <caf/message.hpp>

CAF_ERROR_CODE_ENUM(muster::capacity_errc, "capacity")
CAF_ERROR_CODE_ENUM(muster::provider_errc, "provider")
CAF_ERROR_CODE_ENUM(muster::instance_errc, "instance")
CAF_ERROR_CODE_ENUM(muster::connection_errc, "connection")
CAF_ERROR_CODE_ENUM(muster::job_errc, "job")
CAF_ERROR_CODE_ENUM(muster::coordinator_errc, "coord")
CAF_ERROR_CODE_ENUM(muster::config_errc, "config")
CAF_ERROR_CODE_ENUM(muster::journal_errc, "journal")
CAF_ERROR_CODE_ENUM(muster::helper_errc, "helper")

namespace muster {

/// Makes an error whose context is one line for people.
template <class Errc>
caf::error error_of(Errc code, std::string text) {
  return caf::make_error(code, std::move(text));
}

template <class Errc>
caf::error error_of(const failure<Errc>& x) {
  return error_of(x.code, x.text);
}

/// The line for people; for an error that is not ours its code in words.
std::string text_of(const caf::error& x);

/// Whether `x` is this code.
template <class Errc>
bool is(const caf::error& x, Errc code) {
  return x && x.category() == caf::detail::error_factory<Errc>::category
         && x.code() == static_cast<uint8_t>(code);
}

} // namespace muster
