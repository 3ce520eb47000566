// SPDX-License-Identifier: Apache-2.0
#include "schemas/encoding.h"

#include "base/check.h"
#include "schemas/ecs.h"
#include "schemas/encoded_object.h"
#include "schemas/falco_alert.h"
#include "schemas/ocsf.h"
#include "schemas/report_view.h"

namespace gyre::schemas {

namespace {

/// Without its last key.
std::string without_markdown(std::string_view json, const JsonView& markdown) {
  constexpr std::string_view kKey = ",\"markdown\":";
  const auto at = static_cast<std::size_t>(markdown.json().data() - json.data());
  CHECK(json.substr(at - kKey.size(), kKey.size()) == kKey);
  return std::string(json.substr(0, at - kKey.size())) + "}";
}

std::string encode_as(const ReportView& report, Encoding encoding, Body body) {
  switch (encoding) {
    case Encoding::kEcs:
      return to_ecs(report, body);
    case Encoding::kOcsf:
      return to_ocsf(report, body);
    default:
      return to_falco_alert(report);
  }
}

}  // namespace

std::string encode(std::string_view report, Encoding encoding, bool markdown) {
  if (encoding == Encoding::kNative && markdown) return std::string(report);
  const ReportView view(report);
  if (encoding == Encoding::kNative) {
    const JsonView document = view["markdown"];
    return document.exists() ? without_markdown(report, document) : std::string(report);
  }
  std::string whole = encode_as(view, encoding, markdown ? Body::kWhole : Body::kWithoutMarkdown);
  if (whole.size() <= kEncodedBytes || !markdown) return whole;
  return encode_as(view, encoding, Body::kTooLarge);
}

}  // namespace gyre::schemas
