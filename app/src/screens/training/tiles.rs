//! The curves and the texts of a run as tiles: somebody drags them to where they are wanted, and makes them larger or smaller.
//! Without tiles they stand below each other on a page.

use egui::{Color32, Frame, Margin, ScrollArea, Stroke, Ui, Visuals, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, TabState, TileId, Tiles, Tree, UiResponse,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::plots::{Plots, Small};
use super::state::RunView;
use super::tabs::{Tab, Tabs};
use crate::action::Action;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens_of};

/// No lower: below it the page scrolls.
const LEAST_HEIGHT: f32 = 440.0;

/// A tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pane {
    Loss,
    Small(Small),
    Text(Tab),
}

impl Pane {
    const ALL: [Self; 8] = [
        Self::Loss,
        Self::Small(Small::Metric),
        Self::Small(Small::Rate),
        Self::Small(Small::Norm),
        Self::Small(Small::Speed),
        Self::Text(Tab::Samples),
        Self::Text(Tab::Log),
        Self::Text(Tab::Config),
    ];
}

/// Where each tile stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Arrangement(Tree<Pane>);

impl Default for Arrangement {
    /// As on the page: the loss above the small curves, texts below.
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let loss = tiles.insert_pane(Pane::Loss);
        let small = Small::ALL.map(|small| tiles.insert_pane(Pane::Small(small)));
        let small = tiles.insert_horizontal_tile(small.to_vec());
        let texts = Tab::ALL.map(|tab| tiles.insert_pane(Pane::Text(tab)));
        let texts = tiles.insert_tab_tile(texts.to_vec());
        let mut all = Linear::new(LinearDir::Vertical, vec![loss, small, texts]);
        for (tile, share) in [(loss, 1.3), (small, 0.8), (texts, 1.2)] {
            all.shares.set_share(tile, share);
        }
        let root = tiles.insert_container(Container::Linear(all));
        Self(Tree::new(egui::Id::unique("tiles of training"), root, tiles))
    }
}

impl Arrangement {
    /// Whether every tile is somewhere: an arrangement of another version may lack some.
    fn is_whole(&self) -> bool {
        self.0.root().is_some() && Pane::ALL.iter().all(|pane| self.0.tiles.find_pane(pane).is_some())
    }

    /// Reads one that was kept. What cannot be understood is none: nothing of it is worth an error.
    pub(crate) fn kept<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Self>, D::Error> {
        let kept = Option::<serde_json::Value>::deserialize(from)?;
        let tree = kept.and_then(|kept| serde_json::from_value(kept).ok());
        Ok(tree.map(Self).filter(Self::is_whole))
    }

    /// Draws the tiles in what is left of the window.
    pub(super) fn ui(&mut self, ui: &mut Ui, mut shown: Shown<'_>) {
        let has_metric = shown.view.metric_name().is_some();
        if let Some(metric) = self.0.tiles.find_pane(&Pane::Small(Small::Metric)) {
            self.0.set_visible(metric, has_metric);
        }
        let left = ui.clip_rect().bottom() - ui.cursor().top() - theme::GAP;
        self.0.set_height(left.max(LEAST_HEIGHT));
        self.0.ui(&mut shown, ui);
        // Of the window, and none of what is kept.
        self.0.set_height(f32::INFINITY);
    }
}

/// Content of the tiles.
pub(super) struct Shown<'a> {
    pub(super) plots: &'a mut Plots,
    pub(super) tabs: &'a mut Tabs,
    pub(super) view: &'a RunView,
    pub(super) total: usize,
    pub(super) state: &'a State,
    pub(super) out: &'a mut Vec<Action>,
}

impl Behavior<Pane> for Shown<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let colors = tokens_of(ui.visuals().dark_mode);
        Frame::new().fill(colors.surface).inner_margin(Margin::same(10)).show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            match *pane {
                Pane::Loss => self.plots.loss_tile_ui(ui, (self.view, self.total), self.state, self.out),
                Pane::Small(small) => self.plots.small_tile_ui(ui, small, self.view, self.total),
                Pane::Text(tab) => {
                    ScrollArea::vertical()
                        .id_salt("text")
                        .auto_shrink(false)
                        .show(ui, |ui| self.tabs.text_ui(ui, tab, self.view));
                }
            }
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        match pane {
            Pane::Loss => t!("training.loss").into(),
            Pane::Small(small) => small.name(self.view).into(),
            Pane::Text(tab) => tab.name().into(),
        }
    }

    fn simplification_options(&self) -> SimplificationOptions {
        // A tile is taken by its name.
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        theme::SMALL_GAP
    }

    fn min_size(&self) -> f32 {
        90.0
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        28.0
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        tokens_of(visuals.dark_mode).raised
    }

    fn tab_bg_color(&self, visuals: &Visuals, _tiles: &Tiles<Pane>, _tile: TileId, tab: &TabState) -> Color32 {
        if tab.active { tokens_of(visuals.dark_mode).surface } else { Color32::TRANSPARENT }
    }

    fn tab_outline_stroke(&self, _visuals: &Visuals, _tiles: &Tiles<Pane>, _tile: TileId, _tab: &TabState) -> Stroke {
        Stroke::NONE
    }

    fn tab_text_color(&self, visuals: &Visuals, _tiles: &Tiles<Pane>, _tile: TileId, tab: &TabState) -> Color32 {
        let colors = tokens_of(visuals.dark_mode);
        if tab.active { colors.text } else { colors.muted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Desk {
        #[serde(deserialize_with = "Arrangement::kept")]
        tiles: Option<Arrangement>,
        other: usize,
    }

    #[test]
    fn an_arrangement_is_kept_and_one_that_lacks_a_tile_is_none() {
        let mut tiles = Arrangement::default();
        assert!(tiles.is_whole());
        let log = tiles.0.tiles.find_pane(&Pane::Text(Tab::Log)).unwrap();
        let root = tiles.0.root().unwrap();
        tiles.0.move_tile_to_container(log, root, 0, true);
        let desk = Desk { tiles: Some(tiles.clone()), other: 3 };
        let text = serde_json::to_string(&desk).unwrap();
        assert_eq!(serde_json::from_str::<Desk>(&text).unwrap(), desk);
        assert_ne!(tiles, Arrangement::default());
        tiles.0.remove_recursively(log);
        let broken = serde_json::to_string(&Desk { tiles: Some(tiles), other: 3 }).unwrap();
        for text in [broken.as_str(), r#"{"tiles": {"root": "x"}, "other": 3}"#, r#"{"tiles": null, "other": 3}"#] {
            assert_eq!(serde_json::from_str::<Desk>(text).unwrap(), Desk { tiles: None, other: 3 }, "{text}");
        }
    }
}
