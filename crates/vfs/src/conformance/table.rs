//! The list of all cases: the table to run by name, and the macro that makes tests of it.

use super::{
    Subject, attrs, create, data, dirs, handles, links, names, parallel, permissions, rename,
    times, xattrs,
};

macro_rules! cases {
    // The first token is a dollar sign, which the inner macro needs for its own parameter.
    ($dollar:tt $($theme:ident: $($case:ident)*;)*) => {
        /// Every case, by name.
        pub const CASES: &[(&str, fn(&Subject))] =
            &[$($((stringify!($case), $theme::$case as fn(&Subject)),)*)*];

        /// Makes a test of each case of the suite. Takes the path of a function that answers the
        /// [`Subject`](crate::conformance::Subject) to try.
        #[macro_export]
        macro_rules! conformance_tests {
            ($dollar subject:path) => {
                $($(
                    #[test]
                    fn $case() {
                        $dollar crate::conformance::run(stringify!($case), &$dollar subject());
                    }
                )*)*
            };
        }
    };
}

cases! { $
    attrs:
        getattr_of_the_root_is_a_directory
        properties_are_sane
        space_is_sane
        new_objects_have_the_attributes_of_their_kind
        fileids_differ_and_stay
        setattr_mode_sets_permission_bits
        setattr_mode_keeps_set_id_bits
        setattr_of_nothing_changes_nothing
        setattr_sets_several_at_once
        setattr_size_of_a_directory_is_refused
        setattr_size_of_a_symlink_is_invalid
        setattr_size_of_a_fifo_is_invalid
        setattr_size_beyond_the_largest_is_too_big
        change_of_a_file_differs_after_each_change
        change_of_a_directory_differs_after_each_change
        change_stays_while_nothing_changes
        change_infos_chain
        directories_count_their_subdirectories;
    times:
        setattr_sets_times_to_values
        setattr_sets_one_time_alone
        setattr_sets_times_to_now
        write_moves_mtime
        a_new_size_moves_mtime
        a_new_mode_leaves_mtime
        changed_entries_move_mtime_of_the_directory
        reading_a_file_leaves_mtime;
    names:
        names_that_are_none_are_bad
        names_too_long_are_refused
        the_longest_name_works
        odd_names_work
        names_are_any_bytes
        names_of_other_bytes_are_other_names
        lookup_of_no_name_is_not_found
        a_file_is_no_directory
        a_symlink_is_no_directory
        lookup_parent_of_the_root_is_not_found
        lookup_parent_is_the_directory_above;
    dirs:
        readdir_of_an_empty_directory_gives_nothing
        readdir_gives_every_entry_once
        readdir_cookies_are_above_two_and_distinct
        readdir_gives_what_is_wanted
        readdir_one_entry_at_a_time
        readdir_to_a_full_sink_is_not_at_the_end
        readdir_after_the_last_entry_gives_nothing
        readdir_goes_on_after_a_removed_entry
        readdir_gives_survivors_once_while_others_come_and_go
        readdir_gives_survivors_once_while_others_are_replaced
        readdir_of_a_file_is_refused
        readdir_with_a_strange_cookie_is_refused;
    data:
        what_was_written_is_read
        two_open_files_see_each_other
        read_at_the_end_gives_nothing_and_eof
        read_across_the_end_is_short
        read_says_whether_the_end_was_reached
        write_in_the_middle_leaves_the_rest
        write_of_nothing_changes_no_size
        holes_read_as_zeros
        write_far_out
        write_beyond_the_largest_size_is_too_big
        a_shorter_file_ends_there
        a_longer_file_ends_in_zeros
        what_was_cut_off_does_not_come_back
        writes_and_sizes_match_a_model
        read_needs_a_file_open_for_it
        write_needs_a_file_open_for_it
        a_write_is_as_stable_as_asked
        commit_answers_the_verifier_of_the_write
        commit_is_for_regular_files
        an_open_file_outlives_its_name
        a_replaced_open_file_outlives_its_name;
    links:
        link_gives_an_object_another_name
        link_over_a_name_is_exists
        link_of_a_directory_is_refused
        link_of_a_symlink_is_of_the_link_itself
        link_beyond_the_most_is_too_many
        symlink_text_is_kept_exactly
        symlink_text_is_any_bytes
        symlink_text_is_whole_or_refused
        readlink_of_anything_else_is_invalid
        remove_of_a_symlink_leaves_its_target;
    create:
        create_makes_an_open_file
        create_with_a_size_makes_a_hole
        create_unchecked_opens_what_exists
        create_unchecked_of_size_zero_empties_what_exists
        create_unchecked_of_another_size_leaves_what_exists
        create_guarded_of_what_exists_is_exists
        create_exclusive_again_opens_the_file
        create_exclusive_with_another_verifier_is_exists
        create_exclusive_of_another_file_is_exists
        create_after_a_removal_makes_another_file
        create_unchecked_opens_regular_files_only
        open_is_for_regular_files
        make_node_makes_every_kind
        make_node_over_a_name_is_exists
        remove_takes_the_name_away
        remove_of_no_name_is_not_found
        remove_of_a_full_directory_is_not_empty;
    rename:
        rename_moves_a_name
        rename_moves_to_another_directory
        rename_of_no_name_is_not_found
        rename_file_over_file_replaces_it
        rename_over_one_of_two_names_leaves_the_other
        rename_symlink_moves_the_link_itself
        rename_over_another_kind_takes_its_name_only
        rename_special_file_over_file_replaces_it
        rename_directory_over_empty_directory_replaces_it
        rename_directory_over_full_directory_is_exists
        rename_directory_over_file_is_exists
        rename_file_over_directory_is_exists
        rename_directory_into_itself_is_invalid
        rename_onto_itself_changes_nothing
        rename_of_two_names_of_one_object_changes_nothing
        rename_moves_the_parent_along
        rename_of_a_directory_down_and_up
        rename_answers_the_changes_source_first
        rename_keeps_an_open_file_open;
    permissions:
        new_objects_belong_to_their_maker
        getattr_needs_no_right
        only_the_owner_and_root_set_the_mode
        only_root_gives_an_object_away
        the_owner_chooses_among_own_groups
        a_refused_setattr_sets_nothing
        a_new_group_takes_the_set_id_bits
        a_write_takes_the_set_id_bits
        a_new_size_takes_the_set_id_bits
        times_are_set_to_values_by_the_owner
        times_are_set_to_now_by_who_may_write
        a_size_is_set_by_who_may_write
        a_size_is_set_through_a_file_open_for_writing
        the_owner_has_the_rights_of_the_owner
        the_group_has_the_rights_of_the_group
        access_grants_what_was_asked_for_and_exists
        root_opens_everything
        open_without_a_right_is_denied
        open_lets_the_owner_in_when_told_to
        a_new_file_is_open_whatever_its_mode
        create_of_what_may_not_be_opened_is_denied
        names_need_the_right_to_search
        changed_names_need_the_right_to_write
        readdir_needs_the_right_to_read
        a_device_needs_privilege
        a_sticky_directory_keeps_the_files_of_others
        a_sticky_directory_lets_both_owners_remove
        a_set_group_id_directory_gives_its_group;
    handles:
        garbage_is_no_handle
        a_damaged_handle_names_nothing_else
        an_object_has_one_handle
        the_handle_of_a_removed_file_is_stale
        the_handle_of_a_removed_directory_is_stale
        the_handle_of_an_unlinked_file_is_stale_once_closed
        handles_are_not_used_again;
    parallel:
        files_made_at_once_are_all_there
        one_of_several_guarded_creates_wins
        writes_at_once_to_other_places_are_all_there
        directories_moved_at_once_make_no_loop
        two_directories_moved_into_each_other_make_no_loop
        a_removed_directory_takes_no_new_file;
    xattrs:
        xattrs_that_are_not_there_are_not_supported
        an_xattr_is_kept_until_it_is_removed
        no_xattr_of_a_name_is_said_so
        an_xattr_is_set_as_asked
        xattr_names_that_are_none_are_refused
        xattr_names_are_any_bytes
        an_xattr_too_large_is_refused
        only_files_and_directories_have_xattrs
        changed_xattrs_answer_the_change_of_their_object
        xattrs_belong_to_the_object_not_to_its_name
        xattrs_need_the_rights_to_read_and_write
        a_sticky_directory_keeps_its_xattrs_from_others
        xattrs_of_a_removed_object_are_stale;
}
