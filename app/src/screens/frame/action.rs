//! Actions around every screen: notices, the banner, the end.

use crate::state::State;
use crate::state::exit::ExitState;
use crate::state::history::Way;

/// Something to be done around the screens.
#[derive(Clone, Debug)]
pub enum FrameAction {
    /// Take a notice from the screen.
    PutNoticeAway(u64),
    /// All notices were seen.
    NoticesSeen,
    /// Forget all notices.
    ClearNotices,
    /// Take away a banner.
    DismissBanner,
    /// Go to where one was.
    Go(Way),
    /// Come to the end in this way.
    Leave(ExitState),
}

impl State {
    pub(crate) fn perform_frame(&mut self, action: FrameAction) {
        match action {
            FrameAction::PutNoticeAway(id) => self.notices.put_away(id),
            FrameAction::NoticesSeen => self.notices.unread = 0,
            FrameAction::ClearNotices => self.notices.clear(),
            FrameAction::DismissBanner => self.notices.banner = None,
            FrameAction::Go(way) => self.go(way),
            FrameAction::Leave(leaving) => self.leave(leaving),
        }
    }
}
