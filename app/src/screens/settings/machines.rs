//! The card *Machines* of *Settings*: to whom the runs of an experiment are handed.

use egui::{RichText, Ui};

use crate::machines::words;
use crate::settings::{MachinesChoice, Settings};
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::segmented_ui;
use crate::widgets::field;

/// Typed hosts and flags, while their field has the focus: what is half typed is nobody's name.
#[derive(Debug, Default)]
pub struct MachinesSettings {
    hosts: Option<String>,
    flags: Option<String>,
}

impl MachinesSettings {
    /// Draws the card's inside.
    pub fn ui(&mut self, ui: &mut Ui, settings: &mut Settings) {
        ui.add(egui::Label::new(RichText::new(t!("machines.note")).color(tokens(ui).muted)).wrap());
        field::field_ui(ui, t!("machines.where"), "", None, |ui| {
            let names = [
                (MachinesChoice::Window, t!("machines.window")),
                (MachinesChoice::Local, t!("machines.local")),
                (MachinesChoice::Slurm, "Slurm"),
                (MachinesChoice::HyperQueue, "HyperQueue"),
                (MachinesChoice::Ssh, t!("machines.ssh")),
            ];
            segmented_ui(ui, &mut settings.machines, &names)
        });
        let note = match settings.machines {
            MachinesChoice::Window => return,
            MachinesChoice::Local => t!("machines.local_note"),
            MachinesChoice::Slurm => t!("machines.slurm_note"),
            MachinesChoice::HyperQueue => t!("machines.hq_note"),
            MachinesChoice::Ssh => t!("machines.ssh_note"),
        };
        ui.add(egui::Label::new(RichText::new(note).color(tokens(ui).muted)).wrap());
        if settings.machines == MachinesChoice::Ssh {
            let is_wrong = !settings.hosts.is_empty() && settings.via().is_err();
            let error = is_wrong.then_some(t!("machines.hosts_wrong"));
            field::field_ui(ui, t!("machines.hosts"), t!("machines.hosts_help"), error, |ui| {
                line_ui(ui, &mut self.hosts, &mut settings.hosts, "gpu1, user@gpu2");
            });
        }
        if matches!(settings.machines, MachinesChoice::Slurm | MachinesChoice::HyperQueue) {
            let is_slurm = settings.machines == MachinesChoice::Slurm;
            let hint = if is_slurm {
                "--partition=gpu --gres=gpu:1 --time=2:00:00"
            } else {
                "--cpus 4 --resource gpus/nvidia=1"
            };
            let error = words(&settings.submit_with).is_err().then_some(t!("machines.flags_wrong"));
            field::field_ui(ui, t!("machines.flags"), t!("machines.flags_help"), error, |ui| {
                line_ui(ui, &mut self.flags, &mut settings.submit_with, hint);
            });
        }
    }
}

/// A line that is kept when it loses the focus.
fn line_ui(ui: &mut Ui, typed: &mut Option<String>, kept: &mut String, hint: &str) {
    let text = typed.get_or_insert_with(|| kept.clone());
    let width = ui.available_width();
    let edit = field::line_ui(ui, text, hint, width);
    if edit.lost_focus() {
        text.trim().clone_into(kept);
    }
    if !edit.has_focus() {
        *typed = None;
    }
}
