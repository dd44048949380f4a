#pragma once

#include "messages/result.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace muster::gitlab {

enum class dotenv_errc : uint8_t { malformed = 1 };

/// Unpacks gzip, several members too. Fails for what is none, or larger than
/// `size_max` [bytes].
result<std::string, dotenv_errc> gunzip(std::string_view bytes,
                                        size_t size_max);

/// The variables of a dotenv report, as in a payload: lines `KEY=VALUE`; empty
/// ones and those that begin with `#` do not count.
result<nlohmann::json, dotenv_errc> read_dotenv(std::string_view text);

} // namespace muster::gitlab
