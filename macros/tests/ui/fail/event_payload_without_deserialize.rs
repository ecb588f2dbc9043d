use ligand::{Result, Shared, service};

struct Trips;

struct User;

#[service(name = "trips")]
impl Trips {
    #[event("user.created")]
    async fn on_user(&self, user: Shared<User>) -> Result<()> {
        let _ = user;
        Ok(())
    }

    #[event("user.removed")]
    async fn on_removed(&self, user: User) -> Result<()> {
        let _ = user;
        Ok(())
    }
}

fn main() {}
