"""Breaks the module in many places, one at a time, and counts the breaks that no test notices.

    python tests/mutants.py [--only WORD] [--jobs 2]

Each mutation is one text replaced in a copy of the repository. Then the test named beside it should fail, or else one
of the same file. A mutation that all of them pass has survived: there is something that no test holds. The last line
says `survived N of M`. `tests/test_package.py` holds this list to the code.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Mutation(NamedTuple):
    """A text of a file, what takes its place, and the tests that should notice.

    The file is one of the module, or of the repository: "training/runs.py", "site/classroom.py". The tests are those of
    "gan", tests/test_gan.py, or of "training/runs". The one that should fail follows "::".
    """

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTATIONS = [
    Mutation(
        "the discriminator reads fakes in inference mode",
        "gan.py",
        "self.score(self.augmented(fake_images, salt=2), shown, training=True)",
        "self.score(self.augmented(fake_images, salt=2), shown, training=False)",
        "gan::test_the_step_is_the_two_gradients_written_out[non_saturating]",
    ),
    Mutation(
        "the average's decay is off by one",
        "gan.py",
        "(1.0 + step) / (10.0 + step)",
        "step / (9.0 + step)",
        "gan::test_moving_average_follows_its_formula_and_makes_the_pictures",
    ),
    Mutation(
        "r1_gamma is ignored",
        "gan.py",
        "d_loss + self.r1_gamma * penalty",
        "d_loss + penalty",
        "gan::test_the_step_is_the_two_gradients_written_out[non_saturating]",
    ),
    Mutation(
        "latent vectors ignore the seed",
        "gan.py",
        "tf.cast(self.seed, tf.int64)",
        "tf.cast(0, tf.int64)",
        "gan::test_latents_are_a_function_of_seed_and_step",
    ),
    Mutation(
        "d_fake is taken from real logits",
        "gan.py",
        ", tf.reduce_mean(tf.sigmoid(fake_logits))",
        ", tf.reduce_mean(tf.sigmoid(real_logits))",
        "gan::test_each_metric_is_what_its_name_says",
    ),
    Mutation(
        "g_loss and d_loss change places in the logs",
        "gan.py",
        "[g_loss, d_loss, d_real",
        "[d_loss, g_loss, d_real",
        "gan::test_each_metric_is_what_its_name_says",
    ),
    Mutation(
        "a tuple of images counts as one image",
        "gan.py",
        "self.generator_inputs(real_images, self.step)",
        "self.generator_inputs(tf.convert_to_tensor(data), self.step)",
        "gan::test_a_tuple_of_images_trains_on_as_many_fakes",
    ),
    Mutation(
        "an evaluation is a training step",
        "gan.py",
        "        batch = -1 -",
        "        self.train_step(data)\n        batch = -1 -",
        "gan::test_an_evaluation_judges_fakes_under_the_classes_they_were_drawn_for",
    ),
    Mutation(
        "images are not checked",
        "checks.py",
        "_only_if(tf.reduce_max(tf.abs(images)) <= 1.001, images, _RANGE)",
        "images",
        "gan::test_images_that_do_not_fit_get_one_sentence_and_are_not_learned_from[nan]",
    ),
    Mutation(
        "an optimizer's own average never arrives",
        "gan.py",
        "optimizer.finalize_variable_values(network.trainable_variables)",
        "pass",
        "gan::test_an_optimizers_own_average_reaches_the_generator",
    ),
    Mutation(
        "half precision without a loss scale",
        "gan.py",
        'compute_dtype == "float16"',
        'compute_dtype == "float64"',
        "gan::test_half_precision_has_a_loss_scale_by_itself",
    ),
    Mutation(
        "fakes are judged under another class than they were drawn for",
        "gan.py",
        "self.score(self.augmented(fake_images, salt=2), shown, training=True)",
        "self.score(self.augmented(fake_images, salt=2), labels[::-1], training=True)",
        "gan::test_the_step_tells_both_networks_the_labels_of_the_real_images",
    ),
    Mutation(
        "labels are not shuffled with their images",
        "data/batches.py",
        "tf.gather(shown, order)",
        "tf.gather(shown, places)",
        "data/sources::test_labels_stay_with_their_images",
    ),
    Mutation(
        "the class has no part in the logit",
        "models.py",
        'logit(layers.Add(name="score_and_fit")([score(features), fit]))',
        'logit(layers.Add(name="score_and_fit")([score(features), 0.0 * fit]))',
        "models::test_the_logit_of_a_class_is_the_score_and_the_inner_product_with_its_vector",
    ),
    Mutation(
        "labels slip off their images where some are held out",
        "training/trainer.py",
        "stream = data.make_stream(training.images, training.labels, **order)",
        "stream = data.make_stream(training.images, None if images.labels is None else images.labels[: len(training)], **order)",
        "training/trainer::test_labels_stay_with_their_images_where_some_are_held_out",
    ),
    Mutation(
        "R1 without its half",
        "losses.py",
        "return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(real_gradients)",
        "return tf.reduce_mean(tf.reduce_sum(tf.square(real_gradients)",
        "losses::test_r1_is_half_the_mean_squared_norm",
    ),
    Mutation(
        "labels are swapped",
        "losses.py",
        "tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))",
        "tf.reduce_mean(tf.nn.softplus(real_logits)) + tf.reduce_mean(tf.nn.softplus(-fake_logits))",
        "losses::test_losses_are_the_papers_formulas[non_saturating]",
    ),
    Mutation(
        "the saturating loss has the other sign",
        "losses.py",
        "return -tf.reduce_mean(tf.nn.softplus(fake_logits))",
        "return tf.reduce_mean(tf.nn.softplus(fake_logits))",
        "losses::test_losses_are_the_papers_formulas[saturating]",
    ),
    Mutation(
        "BatchNorm keeps the biased variance",
        "layers.py",
        "moving.assign_sub((1.0 - self.momentum) * (moving - batch))",
        "moving.assign_sub((1.0 - self.momentum) * (moving - batch * 0.98))",
        "layers::test_batch_normalization_trains_and_infers_like_keras",
    ),
    Mutation(
        "BatchNorm's momentum is Keras's",
        "models.py",
        "momentum=0.9",
        "momentum=0.99",
        "models::test_batch_norm_is_the_papers",
    ),
    Mutation(
        "BatchNorm's epsilon is Keras's",
        "models.py",
        "epsilon=1e-5",
        "epsilon=1e-3",
        "models::test_batch_norm_is_the_papers",
    ),
    Mutation(
        "saved networks keep the faster layers",
        "models.py",
        "plain(network).save(unfinished)",
        "network.save(unfinished)",
        "models::test_a_saved_network_draws_the_same",
    ),
    Mutation(
        "any file of Keras's is loaded",
        "models.py",
        'if path.suffix != ".keras":',
        "if False:",
        "models::test_only_a_saved_generator_is_loaded[generator.h5]",
    ),
    Mutation(
        "the search keeps the worst restart",
        "applications/latent.py",
        '.argsort(axis=1, kind="stable")',
        '.__neg__().argsort(axis=1, kind="stable")',
        "applications/latent::test_all_starts_come_back_the_best_one_first",
    ),
    Mutation(
        "the search's penalty has no gradient",
        "applications/latent.py",
        "gradient += 2 * prior / latents.shape[1] * latents",
        "gradient += 0.0 * latents",
        "applications/latent::test_one_step_is_keras_adam",
    ),
    Mutation(
        "the search trains BatchNorm",
        "applications/latent.py",
        "tf.square(measure(generator(latents, training=False)) - observed)",
        "tf.square(measure(generator(latents, training=True)) - observed)",
        "applications/latent::test_the_loss_is_what_the_docstring_says",
    ),
    Mutation(
        "an arc loses length on the way",
        "applications/latent.py",
        "((1 - shares) * lengths[0] + shares * lengths[1])",
        "min(lengths)",
        "applications/latent::test_lerp_is_straight_and_slerp_goes_round_evenly",
    ),
    Mutation(
        "beta_1 is ignored",
        "training/trainer.py",
        "keras.optimizers.Adam(settings.g_learning_rate, beta_1=settings.beta_1)",
        "keras.optimizers.Adam(settings.g_learning_rate)",
        "training/trainer::test_every_hyperparameter_reaches_its_place",
    ),
    Mutation(
        "the learning rates are swapped",
        "training/trainer.py",
        "d_optimizer=keras.optimizers.Adam(settings.d_learning_rate",
        "d_optimizer=keras.optimizers.Adam(settings.g_learning_rate",
        "training/trainer::test_every_hyperparameter_reaches_its_place",
    ),
    Mutation(
        "the generator takes the discriminator's width",
        "training/trainer.py",
        "filters=settings.g_filters",
        "filters=settings.d_filters",
        "training/trainer::test_every_hyperparameter_reaches_its_place",
    ),
    Mutation(
        "kernel_size is ignored",
        "training/trainer.py",
        '{"kernel_size": settings.kernel_size, "seed": seed}',
        '{"seed": seed}',
        "training/trainer::test_every_hyperparameter_reaches_its_place",
    ),
    Mutation(
        "the laptop's rate is ten times as large",
        "presets.py",
        "g_learning_rate=1.5e-3",
        "g_learning_rate=1.5e-2",
        "presets::test_the_recipes[plain28]",
    ),
    Mutation(
        "the document's beta_1 is the paper's",
        "presets.py",
        "d_learning_rate=1e-4, beta_1=0.9)",
        "d_learning_rate=1e-4)",
        "presets::test_the_recipes[document]",
    ),
    Mutation(
        "few images get no more epochs",
        "presets.py",
        "epochs = math.ceil(wanted / max(1, count // batch_size))",
        "epochs = min(epochs, math.ceil(wanted / max(1, count // batch_size)))",
        "presets::test_any_number_of_images_takes_as_many_steps_as_the_preset_was_made_for",
    ),
    Mutation(
        "discriminator.keras holds the generator",
        "training/trainer.py",
        "models.save(gan.discriminator,",
        "models.save(gan.ema_generator,",
        "training/trainer::test_the_saved_generator_draws_the_saved_samples",
    ),
    Mutation(
        "held-out images are trained on",
        "training/runs.py",
        "np.setdiff1d(np.arange(len(images)), held_out)",
        "np.arange(len(images))",
        "training/runs::test_held_out_images_are_never_trained_on",
    ),
    Mutation(
        "other images of equal count are taken",
        "training/runs.py",
        "if run.images_sha256 not in (None, found):",
        "if False:",
        "training/trainer::test_other_images_of_equal_count_are_refused",
    ),
    Mutation(
        "two processes may train one run",
        "training/runs.py",
        "lock.acquire()",
        "pass",
        "training/runs::test_a_disk_that_cannot_lock_is_named_and_trained_on",
    ),
    Mutation(
        "checkpoints are sorted as text",
        "training/callbacks.py",
        ", key=epoch_of)",
        ")",
        "training/callbacks::test_the_newest_checkpoint_is_that_of_the_highest_number",
    ),
    Mutation(
        "a damaged checkpoint is loaded",
        "training/callbacks.py",
        'if file.attrs["sha256"] != _digest(file):',
        "if False:",
        "training/callbacks::test_a_single_changed_bit_of_a_checkpoint_is_found",
    ),
    Mutation(
        "a resumed run begins its history anew",
        "training/callbacks.py",
        "self.rows = read_rows(self.path, *METRICS)",
        "self.rows = []",
        "training/callbacks::test_history_is_written_each_epoch_and_holds_none_twice",
    ),
    Mutation(
        "the reference is the training split",
        "training/runs.py",
        'load(run, "test")',
        'load(run, "train")',
        "training/evaluate::test_a_run_is_never_compared_with_what_it_trained_on",
    ),
    Mutation(
        "a last smaller batch is kept",
        "data/batches.py",
        "len(images) // batch_size",
        "-(-len(images) // batch_size)",
        "data/sources::test_a_stream_without_end_is_one_epoch_after_another",
    ),
    Mutation(
        "a damaged bundled file is used",
        "data/sources.py",
        "!= _BUNDLED_SHA256[name]:",
        "== _BUNDLED_SHA256[name] and False:",
        "data/sources::test_a_damaged_bundled_file_is_named",
    ),
    Mutation(
        "damaged weights of the extractor are used",
        "evaluation/extractors.py",
        "if extractor.sha256 != _SHA256[name]:",
        "if False:",
        "evaluation/extractors::test_other_weights_in_the_place_of_the_bundled_ones_are_refused",
    ),
    Mutation(
        "FID without the means",
        "evaluation/metrics.py",
        "((real.mean - fake.mean) ** 2).sum()",
        "0.0",
        "evaluation/metrics::test_fid_of_normal_distributions_is_the_closed_form",
    ),
    Mutation(
        "KID is biased",
        "evaluation/metrics.py",
        "sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in within)",
        "sum(k.sum() / (n * n) for k in within)",
        "evaluation/metrics::test_kid_is_the_double_sum_over_pairs",
    ),
    Mutation(
        "precision and recall take k = 5",
        "evaluation/scores.py",
        "metrics.precision_recall(real, fake.features, k=3)",
        "metrics.precision_recall(real, fake.features, k=5)",
        "evaluation/scores::test_each_score_is_the_metric_of_its_name_with_the_papers_settings",
    ),
    Mutation(
        "density and coverage take k = 3",
        "evaluation/scores.py",
        "metrics.precision_recall(real, fake.features, k=5)",
        "metrics.precision_recall(real, fake.features, k=3)",
        "evaluation/scores::test_each_score_is_the_metric_of_its_name_with_the_papers_settings",
    ),
    Mutation(
        "fakes are not augmented",
        "gan.py",
        "self.augmented(fake_images, salt=2)",
        "fake_images",
        "augmentations::test_the_discriminator_sees_real_and_fake_images_augmented",
    ),
    Mutation(
        "real images are not augmented",
        "gan.py",
        "(self.augmented(real_images, salt=1), labels)",
        "(real_images, labels)",
        "augmentations::test_the_discriminator_sees_real_and_fake_images_augmented",
    ),
    Mutation(
        "each step augments alike",
        "gan.py",
        "stateless_fold_in(self._seed_of(self.step), salt)",
        "stateless_fold_in([0, 0], salt)",
        "augmentations::test_real_and_fake_images_get_numbers_of_their_own_and_each_step_others",
    ),
    Mutation(
        "real and fake images are changed alike",
        "gan.py",
        "stateless_fold_in(self._seed_of(self.step), salt)",
        "stateless_fold_in(self._seed_of(self.step), 0)",
        "augmentations::test_real_and_fake_images_get_numbers_of_their_own_and_each_step_others",
    ),
    Mutation(
        "no shift to the right",
        "augmentations.py",
        "(2 * most + 1)",
        "(2 * most)",
        "augmentations::test_translation_moves_whole_pixels",
    ),
    Mutation(
        "the gap is that of the training images alone",
        "training/callbacks.py",
        "self._mean_logit(self.training), self._mean_logit(self.held_out)",
        "self._mean_logit(self.training), self._mean_logit(self.training)",
        "training/callbacks::test_the_gap_between_known_and_other_images_is_written",
    ),
    Mutation(
        "the kernel is not divided",
        "layers.py",
        "self.compute_dtype), kernel / largest)",
        "self.compute_dtype), kernel)",
        "layers::test_a_spectral_layer_divides_by_the_largest_singular_value[dense]",
    ),
    Mutation(
        "spectral vectors stand still",
        "layers.py",
        "self.right.assign(right)",
        "pass",
        "layers::test_the_iteration_advances_in_training_alone[dense]",
    ),
    Mutation(
        "a pack mixes rows",
        "gan.py",
        "(0, 2, 3, 1, 4)), (-1",
        "(0, 1, 2, 3, 4)), (-1",
        "gan::test_a_pack_is_images_that_follow_one_another_as_channels",
    ),
    Mutation(
        "high quality is two deviations",
        "evaluation/metrics.py",
        "3 * deviation",
        "2 * deviation",
        "evaluation/metrics::test_modes_of_points_made_by_hand",
    ),
    Mutation(
        "nothing is pasted around a hole",
        "applications/restoring.py",
        "np.where(hole[..., np.newaxis], found, images[:, np.newaxis])",
        "found",
        "applications/restoring::test_the_picture_and_its_error_are_those_of_the_best_start[grey]",
    ),
    Mutation(
        "the search sees into the hole",
        "applications/restoring.py",
        "known / np.sqrt(known.mean())",
        "known + 1",
        "applications/restoring::test_the_picture_and_its_error_are_those_of_the_best_start[grey]",
    ),
    Mutation(
        "results are written over the pictures",
        "applications/restoring.py",
        "if target in (path",
        "if None in (path",
        "main::test_what_cannot_be_restored_is_one_sentence",
    ),
    Mutation(
        "a small picture is taken as any other",
        "applications/restoring.py",
        '"smallest": small, **_MEANS',
        '"smallest": 8',
        "main::test_a_small_picture_is_taken_as_it_is_and_a_large_one_is_reduced",
    ),
    Mutation(
        "replicas draw the same latent vectors",
        "replicas.py",
        "first = size * tf.cast(_context().replica_id_in_sync_group, tf.int32)",
        "first = 0 * size",
        "training/devices::test_replicas_and_hosts_train_to_the_weights_of_one_device",
    ),
    Mutation(
        "replicas add up their losses",
        "replicas.py",
        "return loss / count()",
        "return loss",
        "training/devices::test_replicas_and_hosts_train_to_the_weights_of_one_device",
    ),
    Mutation(
        "hosts need not agree",
        "training/devices.py",
        "if len(set(values)) > 1:",
        "if False:",
        "training/devices::test_hosts_that_would_go_on_from_other_epochs_all_stop",
    ),
    Mutation(
        "a generator of half precision is exported in half precision",
        "applications/export.py",
        'models.plain(generator, dtype="float32")',
        "models.plain(generator)",
        "applications/export::test_a_generator_of_half_precision_is_exported_in_float32[saved_model]",
    ),
    Mutation(
        "any folder gives way to a SavedModel",
        "applications/export.py",
        "raise FileExistsError(",
        "print(",
        "applications/export::test_a_folder_that_is_no_saved_model_stays",
    ),
    Mutation(
        "an ONNX file draws one image at a time",
        "applications/export.py",
        'dim_param = "batch"',
        "dim_value = 1",
        "applications/export::test_every_format_draws_the_same_pictures[grey-onnx]",
    ),
    Mutation(
        "an ONNX file is asked for without its packages",
        "applications/export.py",
        "    if missing:\n",
        "    if False:\n",
        "applications/export::test_missing_packages_are_named_before_anything_is_written",
    ),
    Mutation(
        "a folder that failed takes the old one's place",
        "files.py",
        'yield unfinished / "new"',
        "yield path",
        "applications/export::test_a_failed_export_leaves_the_old_one[saved_model]",
    ),
    Mutation(
        "real and generated images are changed by the same numbers",
        "gan.py",
        "self.augmented(fake_images, salt=2)",
        "self.augmented(fake_images, salt=1)",
        "gan::test_real_and_generated_images_are_changed_by_other_numbers",
    ),
    Mutation(
        "each batch of an evaluation draws the same vectors",
        "gan.py",
        "batch = -1 - tf.cast(self.means[0].count, tf.int64)",
        "batch = tf.constant(-1, tf.int64)",
        "gan::test_an_evaluation_judges_fakes_under_the_classes_they_were_drawn_for",
    ),
    Mutation(
        "an evaluation draws other classes than it judges",
        "gan.py",
        "fake_images, shown = models.draw(self.generator, latents, labels), models",
        "fake_images, shown = models.draw(self.generator, latents, None if labels is None else labels[::-1]), models",
        "gan::test_an_evaluation_judges_fakes_under_the_classes_they_were_drawn_for",
    ),
    Mutation(
        "errors of a filled hole are those of the worst start",
        "applications/restoring.py",
        "measure(found[:, 0] - images)",
        "measure(found[:, -1] - images)",
        "applications/restoring::test_the_picture_and_its_error_are_those_of_the_best_start[grey]",
    ),
    Mutation(
        "errors of an enlarged picture are those of the worst start",
        "applications/restoring.py",
        "measure(found[:, 0]) - images",
        "measure(found[:, -1]) - images",
        "applications/restoring::test_the_picture_and_its_error_are_those_of_the_best_start[grey]",
    ),
    Mutation(
        "spread is that of the largest channel",
        "applications/restoring.py",
        ".mean(axis=-1))\n",
        ".max(axis=-1))\n",
        "applications/restoring::test_the_spread_in_colour_is_the_root_of_the_mean_over_the_channels",
    ),
    Mutation(
        "where starts differ is shown half as strong",
        "applications/restoring.py",
        "4 * spread",
        "2 * spread",
        "applications/restoring::test_a_row_is_before_after_and_the_spread_up_to_a_quarter_of_the_range[1]",
    ),
    Mutation(
        "flip mirrors 60%",
        "augmentations.py",
        "< 0.5, images",
        "< 0.4, images",
        "augmentations::test_flip_mirrors_half_of_the_images",
    ),
    Mutation(
        "noise is cut at three deviations",
        "augmentations.py",
        "1e-6, 1.0 - 1e-6",
        "1.35e-3, 1.0 - 1.35e-3",
        "augmentations::test_noise_is_normal_and_each_value_has_its_own",
    ),
    Mutation(
        "all of a policy share the same numbers",
        "augmentations.py",
        "numbers[:, count:]",
        "numbers",
        "augmentations::test_each_augmentation_of_a_policy_has_numbers_of_its_own",
    ),
    Mutation(
        "very few pictures are told groups too",
        "presets.py",
        "if count >= _TOO_FEW_FOR_GROUPS:",
        "if True:",
        "presets::test_few_colour_pictures_are_told_apart_and_shifted_unless_somebody_said_otherwise",
    ),
    Mutation(
        "what somebody asked for gives way to what suits few pictures",
        "presets.py",
        "few.keys() - fixed",
        "few.keys()",
        "presets::test_few_colour_pictures_are_told_apart_and_shifted_unless_somebody_said_otherwise",
    ),
    Mutation(
        "a pack is told groups",
        "training/starting.py",
        'if conditional or changes.get("pack", 1) > 1:',
        "if conditional:",
        "training/starting::test_classes_and_packs_take_the_place_of_the_groups_of_a_preset",
    ),
    Mutation(
        "four batches an epoch are enough",
        "presets.py",
        "count // batch_size < 8",
        "count // batch_size < 4",
        "presets::test_any_number_of_images_takes_as_many_steps_as_the_preset_was_made_for",
    ),
    Mutation(
        "rows fall below half before shades are given up",
        "training/film.py",
        "range(rows, (rows + 1) // 2 - 1, -1)",
        "range(rows, 0, -1)",
        "training/film::test_no_more_than_half_of_the_rows_go_before_frames_do",
    ),
    Mutation(
        "no frame is shorter than 100 ms",
        "training/film.py",
        "max(20, round(",
        "max(100, round(",
        "training/film::test_many_frames_in_a_short_time_are_short",
    ),
    Mutation(
        "thinning a film loses the last moment",
        "training/film.py",
        "frames[::-2][::-1]",
        "frames[::2]",
        "training/film::test_a_film_stays_under_its_limit_and_keeps_first_and_last_moment",
    ),
    Mutation(
        "a word that several classes have picks the first",
        "training/runs.py",
        "if len(with_word) == 1:",
        "if with_word:",
        "training/runs::test_a_class_is_found_by_a_word_that_no_other_has",
    ),
    Mutation(
        "a leading @ is left as a formula",
        "site/classroom.py",
        "[=+\\-@\\t\\r]",
        "[=+\\-\\t\\r]",
        "lessons/classroom::test_the_table_is_safe_to_open_in_a_spreadsheet",
    ),
    Mutation(
        "an answer may open a socket to an address",
        "site/classroom.py",
        '"socket.connect", ',
        "",
        "lessons/classroom::test_the_checker_refuses_what_an_answer_has_no_reason_to_do",
    ),
    Mutation(
        "loss curves never begin anew",
        "site/explorer/losses.js",
        "this.sums[name] = 0;",
        "",
        "pages/browser_dcgan::test_curves_are_means_of_so_many_steps_each_of_its_own",
    ),
    Mutation(
        "only images are cut for hosts",
        "training/devices.py",
        "tuple(each[first : first + here] for each in batch)",
        "(batch[0][first : first + here], *batch[1:])",
        "training/devices::test_each_host_gets_its_part_of_images_and_of_labels[True]",
    ),
    Mutation(
        "labels do not follow their images",
        "data/batches.py",
        "self.labels[rows]",
        "self.labels[: len(self.images[rows])]",
        "data/batches::test_a_part_keeps_the_label_of_each_image",
    ),
    Mutation(
        "each batch of a score begins again at class 0",
        "evaluation/scores.py",
        "told[start : start + _DRAWN_AT_ONCE]",
        "told[: len(latents)]",
        "evaluation/scores::test_without_labels_classes_come_in_turn_over_all_batches",
    ),
    Mutation(
        "the best generator is chosen on classes in turn",
        "evaluation/scores.py",
        "draw(generator, count, seed, compared.labels)",
        "draw(generator, count, seed)",
        "evaluation/scores::test_kid_scorer_asks_for_each_class_as_often_as_it_is_held_out",
    ),
    Mutation(
        "a told run is scored on classes in turn",
        "training/trainer.py",
        "scores.draw(each, judge.count, seed, judge.labels)",
        "scores.draw(each, judge.count, seed)",
        "training/evaluate::test_a_conditional_run_is_scored_at_the_frequencies_of_its_reference",
    ),
    Mutation(
        "what chose the best generator judges it",
        "training/trainer.py",
        "seed=_CHOOSING_SEED",
        "seed=0",
        "training/evaluate::test_a_generator_chosen_on_the_images_of_its_score_says_so",
    ),
    Mutation(
        "nobody says on which images the best was chosen",
        "training/trainer.py",
        "name.endswith(runs.HELD_OUT_NAME)",
        "False",
        "training/evaluate::test_a_generator_chosen_on_the_images_of_its_score_says_so",
    ),
    Mutation(
        "images held out are counted as trained on",
        "training/starting.py",
        "count = runs.trained_on(run, images)",
        "count = len(images)",
        "training/starting::test_what_is_held_out_is_not_called_another_number_of_images",
    ),
    Mutation(
        "a batch that is no whole pack makes a folder",
        "training/runs.py",
        "    if batch_size % pack:\n",
        "    if False:\n",
        "training/runs::test_a_batch_that_is_no_multiple_of_the_pack_is_refused",
    ),
    Mutation(
        "a last batch that is no whole pack is TensorFlow's error",
        "checks.py",
        "tf.shape(images)[0] % pack == 0",
        "True",
        "gan::test_a_last_batch_that_is_no_whole_pack_is_one_sentence[dataset]",
    ),
    Mutation(
        "weights of samples are ignored",
        "checks.py",
        "if len(parts) > 2:",
        "if False:",
        "gan::test_weights_of_samples_and_classes_are_refused",
    ),
    Mutation(
        "weights of classes are ignored",
        "checks.py",
        "class_weight is not None or sample_weight",
        "sample_weight",
        "gan::test_weights_of_samples_and_classes_are_refused",
    ),
    Mutation(
        "labels are not looked at before XLA drops the check",
        "checks.py",
        "        labels(first, classes)\n",
        "",
        "gan::test_under_xla_the_first_batch_is_checked_all_the_same[labels]",
    ),
    Mutation(
        "images in half the range train without a word",
        "checks.py",
        ">= 0:\n            warnings",
        "> 0:\n            warnings",
        "gan::test_images_scaled_to_half_the_range_are_a_warning[array]",
    ),
    Mutation(
        "labels that do not exist are drawn",
        "models.py",
        "not 0 <= known.min() <= known.max() < count",
        "False",
        "gan::test_labels_that_do_not_exist_are_not_drawn",
    ),
    Mutation(
        "the penalty of a map is that of its sum",
        "gan.py",
        "tf.reduce_sum(tf.reduce_mean(tf.reshape(real_logits",
        "tf.reduce_sum(tf.reduce_sum(tf.reshape(real_logits",
        "gan::test_a_map_of_logits_is_played_by_its_mean",
    ),
    Mutation(
        "a pair of vectors and labels is one input",
        "gan.py",
        "latents, labels = latents",
        "latents = latents[0]",
        "gan::test_a_list_of_vectors_and_labels_is_two_inputs_as_in_keras",
    ),
    Mutation(
        "fresh moments take the place of other optimizers'",
        "training/callbacks.py",
        'filterwarnings("error", "Skipping',
        'filterwarnings("ignore", "Skipping',
        "training/callbacks::test_a_checkpoint_of_other_optimizers_is_named[SGD]",
    ),
    Mutation(
        "what another process is writing is deleted",
        "files.py",
        "now - path.stat().st_mtime < _ABANDONED",
        "False",
        "files::test_what_another_process_is_writing_stays",
    ),
    Mutation(
        "the folder is not written to the disk",
        "files.py",
        "return _sync_folder(path.parent)",
        "return None",
        "files::test_the_folder_is_written_to_the_disk_after_the_new_name",
    ),
    Mutation(
        "spectral normalisation computes in half precision",
        "layers.py",
        '**{**kwargs, "autocast": False}',
        "**kwargs",
        "layers::test_the_iteration_is_in_float32_whatever_the_layer_computes_in[mixed_bfloat16]",
    ),
    Mutation(
        "lines of others are held back at the start",
        "startup.py",
        "*) printf '%s\\\\n' \"$line\" >&2 ;;",
        '*) held="$held$line\n" ;;',
        "startup::test_lines_of_others_come_through_at_once",
    ),
    Mutation(
        "a generator that is told classes is searched",
        "applications/latent.py",
        "if models.classes(generator):",
        "if False:",
        "applications/latent::test_a_generator_that_is_told_classes_is_not_searched",
    ),
    Mutation(
        "one start's spread is no number",
        "applications/restoring.py",
        "min(1, images.shape[1] - 1)",
        "1",
        "applications/restoring::test_the_spread_is_the_unbiased_deviation_of_all_starts[grey]",
    ),
    Mutation(
        "a resume may change the precision",
        "training/starting.py",
        '_KEPT = ("preset", "seed", "precision")',
        '_KEPT = ("preset", "seed")',
        "training/starting::test_a_resume_changes_nothing_that_it_trains",
    ),
    Mutation(
        "the gap of told networks is measured on classes in turn",
        "training/callbacks.py",
        "/ 127.5 - 1, part.labels)",
        "/ 127.5 - 1)",
        "training/callbacks::test_the_gap_of_networks_that_are_told_is_that_of_what_the_images_show",
    ),
    Mutation(
        "a generator in half precision is loaded as another",
        "training/trainer.py",
        "gan = build(run.settings, run.seed, run.precision, len(run.class_names))\n        found",
        "gan = build(run.settings, run.seed, classes=len(run.class_names))\n        found",
        "training/trainer::test_a_stopped_run_in_half_precision_is_of_use",
    ),
    Mutation(
        "the noise of a restorer does not change",
        "benchmarks/super_resolution.py",
        "super().generator_inputs(real_images, step))",
        "super().generator_inputs(real_images, 0))",
        "lessons/restorer::test_its_noise_changes_from_step_to_step_and_what_is_seen_does_not",
    ),
    Mutation(
        "the discriminator is told the real images' clusters of generated ones",
        "gan.py",
        "shown = models.shown(self.generator, latents, labels)\n        g_variables",
        "shown = labels\n        g_variables",
        "gan::test_the_discriminator_is_told_the_kinds_that_the_generator_chose",
    ),
    Mutation(
        "an evaluation tells the real images' clusters of generated ones",
        "gan.py",
        "models.shown(self.generator, latents, labels)\n        real_logits",
        "labels\n        real_logits",
        "gan::test_an_evaluation_tells_the_discriminator_what_the_generator_chose",
    ),
    Mutation(
        "clusters are drawn equally often",
        "models.py",
        "np.cumsum(shares)",
        "np.sum(shares) * (1 + np.arange(len(shares))) / len(shares)",
        "models::test_a_generator_chooses_kinds_by_chance_as_often_as_it_should",
    ),
    Mutation(
        "all numbers choose the cluster",
        "models.py",
        "kernel[0] = _STEEP",
        "kernel[:] = _STEEP",
        "models::test_the_kind_hangs_on_the_first_number_alone",
    ),
    Mutation(
        "the choice of a cluster is trained",
        "models.py",
        '{"trainable": False, "dtype"',
        '{"dtype"',
        "models::test_the_choice_is_not_trained_and_survives_a_file",
    ),
    Mutation(
        "a copy's choice of a cluster is trained",
        "models.py",
        "layer.trainable = layer.name not in (PASSED, _PICK)",
        "layer.trainable = True",
        "models::test_the_choice_is_not_trained_and_survives_a_file",
    ),
    Mutation(
        "the hidden layer has no BatchNorm",
        "models.py",
        '[batch_norm("hidden_norm", normal)] * has_norm',
        "[]",
        "models::test_a_hidden_layer_stands_between_the_last_map_and_the_logit[batch]",
    ),
    Mutation(
        "the hidden layer is not spectral",
        "models.py",
        "dense(hidden, use_bias",
        "layers.Dense(hidden, use_bias",
        "models::test_a_hidden_layer_stands_between_the_last_map_and_the_logit[spectral]",
    ),
    Mutation(
        "d_hidden is ignored",
        "training/trainer.py",
        "hidden=settings.d_hidden, ",
        "",
        "training/trainer::test_every_hyperparameter_reaches_its_place",
    ),
    Mutation(
        "clusters are found among other images",
        "data/clusters.py",
        "return found.astype(np.int32)",
        "return found[::-1].astype(np.int32)",
        "data/clusters::test_alike_images_come_into_one_group",
    ),
    Mutation(
        "the clusters of a seed are those of another",
        "data/clusters.py",
        "seed=seed)[1]",
        "seed=0)[1]",
        "data/clusters::test_a_seed_repeats_the_groups_and_another_names_them_otherwise",
    ),
    Mutation(
        "a resumed run looks for clusters anew",
        "training/runs.py",
        "if path.is_file():\n        try:\n            labels",
        "if False:\n        try:\n            labels",
        "training/runs::test_clusters_are_found_once_and_then_read",
    ),
    Mutation(
        "clusters are kept by every host",
        "training/runs.py",
        "        if keep:\n",
        "        if True:\n",
        "training/runs::test_clusters_are_found_once_and_then_read",
    ),
    Mutation(
        "units of a dense layer are normalised apart on each replica",
        "layers.py",
        "len(inputs.shape) in (2, 4)",
        "len(inputs.shape) == 4",
        "training/devices::test_replicas_and_hosts_train_to_the_weights_of_one_device",
    ),
    Mutation(
        "copies of a held-out image are trained on",
        "training/runs.py",
        "hash(images.images[place].tobytes())",
        "int(place)",
        "training/runs::test_copies_of_a_held_out_image_are_held_out_too",
    ),
    Mutation(
        "pixels beside a scratch count as known",
        "applications/restoring.py",
        "ndimage.binary_dilation(hole, np.ones((3, 3)))",
        "hole",
        "applications/restoring::test_no_pixel_that_a_scratch_touches_counts_as_known",
    ),
    Mutation(
        "what is not erased is filled",
        "applications/restoring.py",
        "white - black > 127",
        "white - black < 127",
        "applications/restoring::test_what_is_erased_from_a_picture_is_its_own_hole",
    ),
    Mutation(
        "a link to where a folder lies is followed",
        "data/sources.py",
        " or Path(real) in Path(root).parents",
        "",
        "data/sources::test_a_link_to_a_parent_leads_nowhere",
    ),
    Mutation(
        "a class wanders from column to column",
        "training/film.py",
        "_COLUMNS - _COLUMNS % told",
        "_COLUMNS",
        "training/film::test_a_class_keeps_its_column[3-9]",
    ),
]


def source(mutation: Mutation, root: Path = ROOT) -> Path:
    """The file that a mutation changes."""
    path = root / "dcgan_keras" / mutation.file
    return path if path.is_file() else root / mutation.file


def tests(mutation: Mutation) -> tuple[str, str]:
    """The file of the tests that should notice it, from the root of the repository, and the one that surely will."""
    room, _, test = mutation.tests.partition("::")
    folder, _, room = room.rpartition("/")
    return (f"tests/{folder}/test_{room}.py" if folder else f"tests/test_{room}.py"), test


def caught_by(mutation: Mutation) -> str:
    """Runs the tests on a copy of the repository with one mutation. Returns the first that fails, "" if all pass."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "repository"
        unneeded = shutil.ignore_patterns(".git", ".venv*", "runs", "build", "__pycache__", "node_modules")
        shutil.copytree(ROOT, copy, ignore=unneeded)
        path = source(mutation, copy)
        text = path.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.name}: its text is not once in {mutation.file}")
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(copy), "TF_NUM_INTRAOP_THREADS": "1"}
        file, test = tests(mutation)
        for asked in filter(None, (test and f"{file}::{test}", file)):
            command = [sys.executable, "-m", "pytest", "-x", "-q", asked]
            ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, errors="replace")
            failed = re.search(r"^(?:FAILED|ERROR) \S+?(?:::(\S+)| )", ended.stdout, re.MULTILINE)
            if ended.returncode and failed:
                return failed[1] or "the whole file"
            if ended.returncode:
                raise SystemExit(f"{mutation.name}: {asked} does not run:\n{ended.stdout[-2000:]}{ended.stderr[-500:]}")
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run the mutations with this word in their name or file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    chosen = [each for each in MUTATIONS if arguments.only in f"{each.file} {each.name}"]
    survived = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for mutation, test in zip(chosen, pool.map(caught_by, chosen)):
            survived += not test
            print(f"{'caught' if test else 'SURVIVED':9s} {mutation.file:14s} {mutation.name}: {test}", flush=True)
    print(f"survived {survived} of {len(chosen)}")


if __name__ == "__main__":
    main()
