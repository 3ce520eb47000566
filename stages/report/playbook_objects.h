// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schemas/playbook.pb.h"

// Who sends a request chooses the object that it names, whether it is refused or not, and it may be
// anybody's. What a step does to such an object, and where it keeps what it was before.
namespace gyre::stages {

/// Does the field name something that whoever acted has chosen: an object, a file, a peer? Who
/// acted, and where, is none.
bool names_object(std::string_view field);

/// The fields of a step's commands that name an object.
std::vector<std::string> objects_of(const playbook::Step& step);

/// What is wrong with a step's files, its undo, and where its commands look.
std::vector<std::string> wrong_in_step(const playbook::Step& step);

/// What is wrong with a playbook, named steps put in: containment that would act on what a refused
/// request named, on the wrong kind of object, or on what was deleted and put back since.
std::vector<std::string> wrong_in_playbook(const playbook::Playbook& book);

}  // namespace gyre::stages
